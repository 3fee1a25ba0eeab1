-- List parts and close the items whose records they hold, together. ARGV: run id, fencing token, JSON {number, indices,
-- parts, completed, failed, expired}. Answers 1, or 0 if the lease passed on or an item has a record already.
local id, token, p = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
if not feeds(id, token) then return 0 end
local records = tonumber(redis.call('HGET', run_key(id), 'records') or '0')
-- The same write again, after its reply was lost.
if p.number == records then return 1 end
if p.number ~= records + 1 then return 0 end
for _, index in ipairs(p.indices) do
  if redis.call('HEXISTS', open_key(id), index) == 0 then return 0 end
end
local caller = redis.call('HGET', run_key(id), 'caller')
for _, index in ipairs(p.indices) do
  local job = item_job(id, index)
  redis.call('HDEL', open_key(id), index)
  remove_job(job, caller)
end
for _, part in ipairs(p.parts) do redis.call('RPUSH', parts_key(id), cjson.encode(part)) end
redis.call('HSET', run_key(id), 'records', p.number)
for _, name in ipairs({'completed', 'failed', 'expired'}) do redis.call('HINCRBY', run_key(id), name, p[name]) end
got_on(id)
redis.call('PUBLISH', root .. 'notify', id)
return 1
