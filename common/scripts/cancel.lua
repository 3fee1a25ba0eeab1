-- Ask for a job's cancellation. ARGV: id, caller. Answers the status that follows, or false if the caller has no such job.
local id, caller = ARGV[1], ARGV[2]
local state = redis.call('HMGET', job_key(id), 'caller', 'status', 'lane', 'cost_tokens', 'cancel_requested')
if state[1] ~= caller then return false end
if state[2] == 'queued' then
  dequeue(id, state[3], state[4])
  finish(id, 'cancelled', {})
  return 'cancelled'
end
if state[2] == 'running' and not state[5] then
  redis.call('HSET', job_key(id), 'cancel_requested', 1)
  emit(id, 'cancelling', {attempt = tonumber(field(id, 'attempt'))})
  redis.call('PUBLISH', root .. 'cancel', id)
end
return state[2]
