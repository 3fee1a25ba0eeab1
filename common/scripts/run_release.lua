-- Give a run's lease back at once. ARGV: run id, fencing token, milliseconds to wait, most faults, fault JSON or ''.
-- A fault is counted; a run with too many of them fails.
local id, token = ARGV[1], ARGV[2]
if not feeds(id, token) then return 0 end
-- The token is used up, so that whatever its holder still has under way is refused.
redis.call('HINCRBY', run_key(id), 'fencing_token', 1)
redis.call('ZREM', root .. 'run_leases', id)
redis.call('HSET', run_key(id), 'not_before_ms', now + tonumber(ARGV[3]))
if ARGV[5] ~= '' and redis.call('HINCRBY', run_key(id), 'faults', 1) >= tonumber(ARGV[4]) then
  redis.call('HSET', run_key(id), 'errors', '[' .. ARGV[5] .. ']')
  release_input(id)
  move_run(id, 'failed')
  redis.call('ZREM', root .. 'runs_active', id)
end
return 1
