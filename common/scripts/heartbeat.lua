-- Show that a worker lives and renew its leases. ARGV: owner, lease_ttl_ms, worker info JSON, then id and fencing token
-- of each job it runs. Answers one flag a job: 0 lost, 1 renewed, 2 renewed and to be cancelled.
local owner, ttl_ms = ARGV[1], tonumber(ARGV[2])
redis.call('HSET', root .. 'workers', owner, ARGV[3])
redis.call('ZADD', root .. 'workers_seen', now, owner)

local flags = {}
for i = 4, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local flag = 0
  if holds_lease(id, token) then
    redis.call('ZADD', root .. 'leases', now + ttl_ms, id)
    flag = field(id, 'cancel_requested') and 2 or 1
  end
  flags[#flags + 1] = flag
end
return flags
