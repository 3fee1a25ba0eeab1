-- One page of a caller's runs, newest first. ARGV: caller, kind, id to start below or '', most runs.
return page_of_runs(root .. 'runs:' .. ARGV[2] .. ':' .. ARGV[1], ARGV[3], tonumber(ARGV[4]))
