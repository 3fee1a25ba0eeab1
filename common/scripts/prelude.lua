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

local function collection_key(id) return root .. 'collection:' .. id end
local function document_key(id) return root .. 'document:' .. id end

-- Another caller's collection looks the same as none.
local function owns_collection(id, caller)
  return redis.call('HGET', collection_key(id), 'caller') == caller
end

-- The one way from one document status to another: the collection's counts move with it.
local function move_document(id, status)
  local state = redis.call('HMGET', document_key(id), 'status', 'collection_id')
  redis.call('HINCRBY', collection_key(state[2]), state[1], -1)
  redis.call('HINCRBY', collection_key(state[2]), status, 1)
  redis.call('HSET', document_key(id), 'status', status)
  redis.call('PUBLISH', root .. 'notify', state[2])
end

-- Let a document that is read no more be read from the start; what became of it before is forgotten.
local function read_again(id)
  redis.call('HDEL', document_key(id), 'error', 'pages', 'company', 'period', 'doc_type')
  redis.call('HSET', document_key(id), 'attempt', 0)
  redis.call('ZADD', root .. 'documents_pending', now, id)
  move_document(id, 'pending')
end

-- The document is being read and this fencing token is its newest: only then may a worker write.
local function holds_document(id, token)
  local state = redis.call('HMGET', document_key(id), 'status', 'fencing_token')
  return state[1] == 'parsing' and state[2] == token
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

-- Room in a full lane that refused jobs were promised, by the time from which it is kept for each; a turn is named
-- "caller tokens digest", and is void when nobody came for it in time.
local turn_grace_ms = 10000
local function turns_key(lane) return root .. 'turns:' .. lane end
-- The tokens of all turns as '*', and those of each caller.
local function held_key(lane) return root .. 'held_tokens:' .. lane end
local function tokens_of(turn) return tonumber(string.match(turn, '^%S+ (%d+)')) end
local function hold(lane, turn, sign)
  redis.call('HINCRBY', held_key(lane), '*', sign * tokens_of(turn))
  redis.call('HINCRBY', held_key(lane), string.match(turn, '^%S+'), sign * tokens_of(turn))
end
local function drop_turn(lane, turn)
  if redis.call('ZREM', turns_key(lane), turn) == 1 then hold(lane, turn, -1) end
end
local function drop_passed_turns(lane)
  for _, turn in ipairs(redis.call('ZRANGEBYSCORE', turns_key(lane), '-inf', now - turn_grace_ms)) do
    drop_turn(lane, turn)
  end
end
local function held_tokens(lane, holder) return tonumber(redis.call('HGET', held_key(lane), holder) or '0') end

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
  redis.call('SREM', root .. 'open:' .. field(id, 'caller'), id)
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

-- Queue a job with everything that belongs to it.
-- Start-time fair queueing (Goyal et al. 1996): a flow that was quiet starts at the lane's clock, a busy one behind
-- its own earlier work. Priority moves the start ahead by a fixed amount, so that low priority still ages to the front.
local function accept(p)
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
  if p.traceparent then redis.call('HSET', key, 'traceparent', p.traceparent) end
  if p.webhook_url then redis.call('HSET', key, 'webhook_url', p.webhook_url, 'webhook_attempts', 0) end
  if p.deadline_ms then
    redis.call('HSET', key, 'deadline_at_ms', now + p.deadline_ms)
    redis.call('ZADD', root .. 'deadlines', now + p.deadline_ms, p.id)
  end
  if not p.unlisted then redis.call('ZADD', root .. 'jobs:' .. p.caller, 0, p.id) end
  enqueue(p.id, p.lane, score, p.cost_tokens)
  redis.call('HINCRBY', root .. 'finished', 'accepted', 1)
  emit(p.id, 'queued', {lane = p.lane, prompt_tokens = p.prompt_tokens})
end

-- Cancel a queued job, and ask a running one's worker to end it.
local function ask_cancel(id)
  local state = redis.call('HMGET', job_key(id), 'status', 'lane', 'cost_tokens', 'cancel_requested')
  if state[1] == 'queued' then
    dequeue(id, state[2], state[3])
    finish(id, 'cancelled', {})
  elseif state[1] == 'running' and not state[4] then
    redis.call('HSET', job_key(id), 'cancel_requested', 1)
    emit(id, 'cancelling', {attempt = tonumber(field(id, 'attempt'))})
    redis.call('PUBLISH', root .. 'cancel', id)
  end
end
