-- Give a run's lease back after a fault. ARGV: run id, fencing token, kind of the fault, most of this kind while nothing gets on,
-- first and longest wait in milliseconds, fault JSON, milliseconds to keep the record of an ended run.
-- The run rests, twice as long each time; with too many faults it fails, and if it had ended, its files stay as they are.
-- Answers the status that follows, or false if the lease passed on.
local id, token, kind, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if not feeds(id, token) then return false end
local count = redis.call('HINCRBY', run_key(id), kind, 1)
give_back(id, math.min(tonumber(ARGV[6]), tonumber(ARGV[5]) * 2 ^ (count - 1)))
if count < most then return run_status(id) end
if has_ended(id) then
  close_run(id, ARGV[8])
  return run_status(id)
end
redis.call('HSET', run_key(id), 'errors', '[' .. ARGV[7] .. ']')
release_input(id)
abandon_items(id)
move_run(id, 'failed')
-- Its files are still to be cleared away, for which faults count anew.
got_on(id)
redis.call('PUBLISH', root .. 'notify', id)
return 'failed'
