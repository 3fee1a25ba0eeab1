-- Give a run's lease back at once. ARGV: run id, fencing token, milliseconds to wait. Answers 1, or 0 if the lease passed on.
if not feeds(ARGV[1], ARGV[2]) then return 0 end
give_back(ARGV[1], tonumber(ARGV[3]))
return 1
