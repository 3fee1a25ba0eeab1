-- Hand a claimed job back unharmed, as on shutdown; it does not count as an attempt. ARGV: id, fencing token, reason.
-- Answers the lane, or false if the lease passed on or the job ended.
local id, token, reason = ARGV[1], ARGV[2], ARGV[3]
if not holds_lease(id, token) then return false end
if field(id, 'cancel_requested') then
  finish(id, 'cancelled', {})
  return false
end
redis.call('HINCRBY', job_key(id), 'attempt', -1)
return requeue(id, reason)
