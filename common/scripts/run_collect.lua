-- Look at a run and its open items. ARGV: run id, fencing token, most items.
-- Answers {now, status, open items, ended items, entry and job fields of each ended one, ...}, or false if the lease passed on.
local id, token, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not feeds(id, token) then return false end
local open = redis.call('HGETALL', open_key(id))
local reply = {now, run_status(id), #open / 2, 0}
for i = 1, #open, 2 do
  local job = item_job(id, open[i])
  local status = field(job, 'status')
  -- An entry without a job carries its own error.
  if status ~= 'queued' and status ~= 'running' then
    reply[4] = reply[4] + 1
    if reply[4] <= most then
      reply[#reply + 1] = open[i + 1]
      reply[#reply + 1] = redis.call('HGETALL', job_key(job))
    end
  end
end
return reply
