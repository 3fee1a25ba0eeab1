-- Read a job and, while it waits, its place. ARGV: id, caller, worker_alive_ms.
-- Answers {fields, rank, jobs in lane, backlog tokens of the lane, info JSON of each live worker}, or false.
local id, caller, alive_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local state = redis.call('HMGET', job_key(id), 'caller', 'status', 'lane')
if state[1] ~= caller then return false end
local fields = redis.call('HGETALL', job_key(id))
if state[2] ~= 'queued' then return {fields} end

local lane = state[3]
local rank = redis.call('ZRANK', waiting_key(lane), id)
local workers = {}
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', root .. 'workers_seen', now - alive_ms, '+inf')) do
  workers[#workers + 1] = redis.call('HGET', root .. 'workers', owner)
end
return {fields, rank or 0, redis.call('ZCARD', waiting_key(lane)),
  tonumber(redis.call('HGET', root .. 'backlog_tokens', lane) or '0'), workers}
