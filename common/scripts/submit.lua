-- Accept a job, or say why not. ARGV[1]: JSON parameters. Answers JSON {outcome, ...}.
local p = cjson.decode(ARGV[1])

local idempotency_key
if p.idempotency_hash then
  idempotency_key = root .. 'idempotency:' .. p.caller .. ':' .. p.idempotency_hash
  local known = redis.call('HMGET', idempotency_key, 'job_id', 'body_hash')
  if known[1] then
    if known[2] ~= p.body_hash then return cjson.encode({outcome = 'mismatch'}) end
    return cjson.encode({outcome = 'repeated', job_id = known[1]})
  end
end

-- A client library may send a command again whose reply was lost.
if redis.call('EXISTS', job_key(p.id)) == 1 then return cjson.encode({outcome = 'accepted', job_id = p.id}) end

local open_key = root .. 'open:' .. p.caller
if p.max_open_jobs and redis.call('SCARD', open_key) >= p.max_open_jobs then
  return cjson.encode({outcome = 'too_many'})
end

local backlog = tonumber(redis.call('HGET', root .. 'backlog_tokens', p.lane) or '0')
if backlog > 0 and backlog + p.cost_tokens > p.max_backlog_tokens then
  return cjson.encode({outcome = 'full', backlog_tokens = backlog})
end

accept(p)
redis.call('SADD', open_key, p.id)
if idempotency_key then
  redis.call('HSET', idempotency_key, 'job_id', p.id, 'body_hash', p.body_hash)
  redis.call('PEXPIRE', idempotency_key, p.idempotency_ttl_ms)
end
return cjson.encode({outcome = 'accepted', job_id = p.id, created_at_ms = now,
  rank = redis.call('ZRANK', waiting_key(p.lane), p.id), jobs_in_lane = redis.call('ZCARD', waiting_key(p.lane)),
  backlog_tokens = backlog + p.cost_tokens})
