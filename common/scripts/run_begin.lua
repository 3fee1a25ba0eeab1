-- End a run's validation. ARGV: run id, fencing token, total, name of the twins' file or '', errors JSON or ''.
-- Answers the status that follows, or false if the lease passed on.
local id, token = ARGV[1], ARGV[2]
if not feeds(id, token) then return false end
if run_status(id) ~= 'validating' then return run_status(id) end
redis.call('HSET', run_key(id), 'total', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', run_key(id), 'twins', ARGV[4]) end
if ARGV[5] ~= '' then
  redis.call('HSET', run_key(id), 'errors', ARGV[5])
  release_input(id)
  move_run(id, 'failed')
else
  move_run(id, 'in_progress')
  got_on(id)
end
return run_status(id)
