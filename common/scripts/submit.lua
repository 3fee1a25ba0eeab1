-- Accept a job, or say why not. ARGV[1]: JSON parameters. Answers JSON {outcome, ...}.
local p = cjson.decode(ARGV[1])

-- Half of a lane is open to everybody, so that it never empties for the sake of clients that may not come. Above, a
-- newcomer leaves alone what is promised to others; who comes in its turn may pass the limit by half, as rates are estimates.
local function finds_room(backlog)
  local after, limit = backlog + p.cost_tokens, p.max_backlog_tokens
  if backlog == 0 or after <= limit / 2 then return true end
  if redis.call('EXISTS', turns_key(p.lane)) == 0 then return after <= limit end
  drop_passed_turns(p.lane)
  local turn_at = redis.call('ZSCORE', turns_key(p.lane), p.turn)
  if turn_at and tonumber(turn_at) <= now then return after <= 1.5 * limit end
  return after + held_tokens(p.lane, '*') - (turn_at and tokens_of(p.turn) or 0) <= limit
end

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
if not finds_room(backlog) then
  return cjson.encode({outcome = 'full', backlog_tokens = backlog, turn = p.turn})
end

accept(p)
drop_turn(p.lane, p.turn)
redis.call('SADD', open_key, p.id)
if idempotency_key then
  redis.call('HSET', idempotency_key, 'job_id', p.id, 'body_hash', p.body_hash)
  redis.call('PEXPIRE', idempotency_key, p.idempotency_ttl_ms)
end
return cjson.encode({outcome = 'accepted', job_id = p.id, created_at_ms = now,
  rank = redis.call('ZRANK', waiting_key(p.lane), p.id), jobs_in_lane = redis.call('ZCARD', waiting_key(p.lane)),
  backlog_tokens = backlog + p.cost_tokens})
