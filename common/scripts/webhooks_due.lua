-- Take notifications whose time has come; each is hidden from other workers for a while. ARGV: most, hide_ms.
-- Answers the fields of each job.
local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. 'webhooks', '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))) do
  local fields = redis.call('HGETALL', job_key(id))
  if #fields == 0 then
    redis.call('ZREM', root .. 'webhooks', id)
  else
    redis.call('ZADD', root .. 'webhooks', now + tonumber(ARGV[2]), id)
    redis.call('HINCRBY', job_key(id), 'webhook_attempts', 1)
    due[#due + 1] = redis.call('HGETALL', job_key(id))
  end
end
return due
