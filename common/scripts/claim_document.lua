-- Give the next document to a worker under a lease. ARGV: owner, lease_ttl_ms, max_attempts. Answers its fields or false.
local owner, ttl_ms, max_attempts = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local pending, leases = root .. 'documents_pending', root .. 'document_leases'

-- Those of lost workers go on first, unless they were lost too often.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', leases, id)
  local attempt = redis.call('HGET', document_key(id), 'attempt')
  if tonumber(attempt) >= max_attempts then
    local text = 'The worker was lost ' .. attempt .. ' times while reading this file; it is not tried again.'
    redis.call('HSET', document_key(id), 'error', cjson.encode({code = 'poisoned', message = text}))
    move_document(id, 'failed')
  else
    move_document(id, 'pending')
    redis.call('ZADD', pending, 0, id)
  end
end

local id = redis.call('ZPOPMIN', pending)[1]
if not id then return false end
redis.call('HINCRBY', document_key(id), 'attempt', 1)
redis.call('HINCRBY', document_key(id), 'fencing_token', 1)
redis.call('HSET', document_key(id), 'worker', owner)
redis.call('ZADD', leases, now + ttl_ms, id)
move_document(id, 'parsing')
return redis.call('HGETALL', document_key(id))
