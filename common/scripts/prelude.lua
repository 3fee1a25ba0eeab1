-- Shared by every script: names, the clock, and the moves several scripts make.
-- KEYS[1] is the root of all key names; its hash tag puts every key in one cluster slot.
local root = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function job_key(id) return root .. 'job:' .. id end
local function waiting_key(lane) return root .. 'waiting:' .. lane end
-- The same jobs by the time they were accepted.
local function queued_at_key(lane) return root .. 'queued_at:' .. lane end

-- Field of a job, or nil.
local function field(id, name)
  local value = redis.call('HGET', job_key(id), name)
  if value == false then return nil end
  return value
end

-- Append to the job's event log and wake whoever listens: a change of state and its notice are one operation.
local function emit(id, type, data)
  redis.call('XADD', root .. 'events:' .. id, '*', 'type', type, 'at_ms', now, 'data', cjson.encode(data))
  redis.call('PUBLISH', root .. 'notify', id)
end

local function enqueue(id, lane, score, cost)
  redis.call('ZADD', waiting_key(lane), score, id)
  redis.call('ZADD', queued_at_key(lane), field(id, 'created_at_ms'), id)
  redis.call('HINCRBY', root .. 'backlog_tokens', lane, cost)
end

local function dequeue(id, lane, cost)
  redis.call('ZREM', queued_at_key(lane), id)
  if redis.call('ZREM', waiting_key(lane), id) == 1 then
    redis.call('HINCRBY', root .. 'backlog_tokens', lane, -cost)
  end
end

-- The job is running and this fencing token is its newest: only then may a worker write.
local function holds_lease(id, token)
  local state = redis.call('HMGET', job_key(id), 'status', 'fencing_token')
  return state[1] == 'running' and state[2] == token
end

-- The one way into a terminal status.
local function finish(id, status, data)
  local key = job_key(id)
  redis.call('HSET', key, 'status', status, 'finished_at_ms', now)
  redis.call('ZREM', root .. 'leases', id)
  redis.call('ZREM', root .. 'deadlines', id)
  redis.call('HINCRBY', root .. 'finished', status, 1)
  data.status = status
  emit(id, status, data)
  local ttl_ms = tonumber(field(id, 'result_ttl_ms'))
  redis.call('PEXPIRE', key, ttl_ms)
  redis.call('PEXPIRE', root .. 'events:' .. id, ttl_ms)
  redis.call('ZADD', root .. 'expiring', now + ttl_ms, id .. ' ' .. field(id, 'caller'))
  if field(id, 'webhook_url') then
    redis.call('HSET', key, 'webhook_status', 'pending')
    redis.call('ZADD', root .. 'webhooks', now, id)
  end
end

local function fail(id, code, message)
  redis.call('HSET', job_key(id), 'error', cjson.encode({code = code, message = message}))
  finish(id, 'failed', {error = {code = code, message = message}})
end

-- Put a claimed job back where it stood before, so that it is next in its lane.
local function requeue(id, reason)
  local key = job_key(id)
  local state = redis.call('HMGET', key, 'lane', 'score', 'cost_tokens', 'deadline_at_ms', 'attempt')
  redis.call('HSET', key, 'status', 'queued')
  redis.call('HDEL', key, 'worker', 'claimed_at_ms')
  redis.call('ZREM', root .. 'leases', id)
  if state[4] then redis.call('ZADD', root .. 'deadlines', state[4], id) end
  enqueue(id, state[1], state[2], state[3])
  emit(id, 'requeued', {reason = reason, attempt = tonumber(state[5])})
  return state[1]
end
