-- Append new text of running jobs to their event logs. ARGV: id, fencing token and event JSON of each.
-- The same event again, after its reply was lost, is known by claim and offset and not appended twice.
-- Answers one flag a job: 0 lost, 1 appended, 2 appended and to be cancelled.
local flags = {}
for i = 1, #ARGV, 3 do
  local id, token = ARGV[i], ARGV[i + 1]
  local flag = 0
  if holds_lease(id, token) then
    local mark = token .. ':' .. cjson.decode(ARGV[i + 2]).offset
    if field(id, 'text_mark') ~= mark then
      redis.call('HSET', job_key(id), 'text_mark', mark)
      redis.call('XADD', root .. 'events:' .. id, '*', 'type', 'token', 'at_ms', now, 'data', ARGV[i + 2])
      redis.call('PUBLISH', root .. 'text', id)
    end
    flag = field(id, 'cancel_requested') and 2 or 1
  end
  flags[#flags + 1] = flag
end
return flags
