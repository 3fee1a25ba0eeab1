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

local backlog = tonumber(redis.call('HGET', root .. 'backlog_tokens', p.lane) or '0')
if backlog > 0 and backlog + p.cost_tokens > p.max_backlog_tokens then
  return cjson.encode({outcome = 'full', backlog_tokens = backlog})
end

-- Start-time fair queueing (Goyal et al. 1996): a flow that was quiet starts at the lane's clock, a busy one behind
-- its own earlier work. Priority moves the start ahead by a fixed amount, so that low priority still ages to the front.
local clock = tonumber(redis.call('HGET', root .. 'fair_clock', p.lane) or '0')
local flows = root .. 'flows:' .. p.lane
local start = math.max(clock, tonumber(redis.call('ZSCORE', flows, p.flow) or '0'))
redis.call('ZADD', flows, start + p.cost_tokens, p.flow)
local score = start - p.priority * p.priority_weight_tokens

local key = job_key(p.id)
redis.call('HSET', key,
  'id', p.id, 'status', 'queued', 'lane', p.lane, 'caller', p.caller, 'request', p.request,
  'prompt_tokens', p.prompt_tokens, 'cost_tokens', p.cost_tokens, 'priority', p.priority, 'metadata', p.metadata,
  'created_at_ms', now, 'attempt', 0, 'losses', 0, 'fencing_token', 0, 'start', start, 'score', score,
  'result_ttl_ms', p.result_ttl_ms)
if p.webhook_url then redis.call('HSET', key, 'webhook_url', p.webhook_url, 'webhook_attempts', 0) end
if p.deadline_ms then
  redis.call('HSET', key, 'deadline_at_ms', now + p.deadline_ms)
  redis.call('ZADD', root .. 'deadlines', now + p.deadline_ms, p.id)
end
if idempotency_key then
  redis.call('HSET', idempotency_key, 'job_id', p.id, 'body_hash', p.body_hash)
  redis.call('PEXPIRE', idempotency_key, p.idempotency_ttl_ms)
end
redis.call('ZADD', root .. 'jobs:' .. p.caller, 0, p.id)
enqueue(p.id, p.lane, score, p.cost_tokens)
redis.call('HINCRBY', root .. 'finished', 'accepted', 1)
emit(p.id, 'queued', {lane = p.lane, prompt_tokens = p.prompt_tokens})
return cjson.encode({outcome = 'accepted', job_id = p.id, created_at_ms = now,
  rank = redis.call('ZRANK', waiting_key(p.lane), p.id), jobs_in_lane = redis.call('ZCARD', waiting_key(p.lane)),
  backlog_tokens = backlog + p.cost_tokens})
