-- Nothing is left to do for an ended run. ARGV: run id, fencing token, milliseconds to keep its record.
local id, token = ARGV[1], ARGV[2]
if not feeds(id, token) then return 0 end
redis.call('ZREM', root .. 'runs_active', id)
redis.call('ZREM', root .. 'run_leases', id)
redis.call('PEXPIRE', run_key(id), ARGV[3])
redis.call('PEXPIRE', parts_key(id), ARGV[3])
return 1
