-- Nothing is left to do for an ended run. ARGV: run id, fencing token, milliseconds to keep its record.
if not feeds(ARGV[1], ARGV[2]) then return 0 end
close_run(ARGV[1], ARGV[3])
return 1
