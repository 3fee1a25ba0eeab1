-- Write a job's end. ARGV: id, fencing token, status, result JSON or '', error JSON or '', last token event's data
-- or ''. Answers 1, or 0 if the lease passed on. The part of queue_ms up to the claim and
-- total_ms are set here, by the clock that stamped the other ends.
local id, token, status, result, error = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not holds_lease(id, token) then
  -- The same write again, after its reply was lost, is no conflict.
  local state = redis.call('HMGET', job_key(id), 'status', 'fencing_token')
  return (state[1] == status and state[2] == token) and 1 or 0
end

if ARGV[6] ~= '' then
  redis.call('XADD', root .. 'events:' .. id, '*', 'type', 'token', 'at_ms', now, 'data', ARGV[6])
end
local data = {}
if result ~= '' then
  local stamps = redis.call('HMGET', job_key(id), 'claimed_at_ms', 'created_at_ms')
  redis.call('HSET', job_key(id), 'result', result,
    'queue_ms', stamps[1] - stamps[2], 'total_ms', now - stamps[2])
end
if error ~= '' then
  redis.call('HSET', job_key(id), 'error', error)
  data.error = cjson.decode(error)
end
finish(id, status, data)
return 1
