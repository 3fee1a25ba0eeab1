-- Record a delivery attempt. ARGV: id, status (delivered, failed or pending), error or '', delay_ms until the next try.
local id, status, error, delay_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call('EXISTS', job_key(id)) == 0 then
  redis.call('ZREM', root .. 'webhooks', id)
  return 0
end
redis.call('HSET', job_key(id), 'webhook_status', status)
if error == '' then redis.call('HDEL', job_key(id), 'webhook_error')
else redis.call('HSET', job_key(id), 'webhook_error', error) end
if status == 'pending' then redis.call('ZADD', root .. 'webhooks', now + delay_ms, id)
else redis.call('ZREM', root .. 'webhooks', id) end
return 1
