-- Append new text of running jobs to their event logs. ARGV: id, fencing token and event JSON of each.
-- Answers one flag a job: 0 lost, 1 appended, 2 appended and to be cancelled.
local flags = {}
for i = 1, #ARGV, 3 do
  local id, token = ARGV[i], ARGV[i + 1]
  local flag = 0
  if holds_lease(id, token) then
    redis.call('XADD', root .. 'events:' .. id, '*', 'type', 'token', 'at_ms', now, 'data', ARGV[i + 2])
    redis.call('PUBLISH', root .. 'notify', id)
    flag = field(id, 'cancel_requested') and 2 or 1
  end
  flags[#flags + 1] = flag
end
return flags
