-- Ask for a run's cancellation. ARGV: run id, caller, kind. Answers its fields, or false if the caller has no such run.
local id = ARGV[1]
local state = redis.call('HMGET', run_key(id), 'caller', 'kind', 'status')
if state[1] ~= ARGV[2] or state[2] ~= ARGV[3] then return false end
if state[3] == 'validating' or state[3] == 'in_progress' then
  move_run(id, 'cancelling')
  -- One that rests is taken at once.
  redis.call('HDEL', run_key(id), 'not_before_ms')
  redis.call('PUBLISH', root .. 'notify', id)
end
return redis.call('HGETALL', run_key(id))
