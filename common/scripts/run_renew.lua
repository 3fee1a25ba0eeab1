-- Renew leases of runs. ARGV: lease_ttl_ms, then run id and fencing token of each.
-- Answers one flag a run: 0 lost, 1 renewed, 2 renewed and to be cancelled.
local flags = {}
for i = 2, #ARGV, 2 do
  local flag = 0
  if feeds(ARGV[i], ARGV[i + 1]) then
    redis.call('ZADD', root .. 'run_leases', now + tonumber(ARGV[1]), ARGV[i])
    flag = run_status(ARGV[i]) == 'cancelling' and 2 or 1
  end
  flags[#flags + 1] = flag
end
return flags
