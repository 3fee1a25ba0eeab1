-- Take items into a run: its cursor, its open items and their jobs change together or not at all.
-- ARGV: run id, fencing token, cursor after them, next index, max_backlog_tokens, then entry JSON and job JSON or ''.
-- Answers 'admitted', 'full', 'stopped' (the run takes no more) or 'lost'.
local id, token, cursor = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not feeds(id, token) then return 'lost' end
if run_status(id) ~= 'in_progress' then return 'stopped' end
-- The same write again, after its reply was lost.
if tonumber(redis.call('HGET', run_key(id), 'cursor') or '0') >= cursor then return 'admitted' end

local jobs, entries = {}, {}
for i = 6, #ARGV, 2 do
  entries[#entries + 1] = ARGV[i]
  if ARGV[i + 1] ~= '' then jobs[#jobs + 1] = cjson.decode(ARGV[i + 1]) end
end
if #jobs > 0 then
  local cost = 0
  for _, job in ipairs(jobs) do cost = cost + job.cost_tokens end
  local backlog = tonumber(redis.call('HGET', root .. 'backlog_tokens', jobs[1].lane) or '0')
  if backlog > 0 and backlog + cost > tonumber(ARGV[5]) then return 'full' end
end
for _, entry in ipairs(entries) do redis.call('HSET', open_key(id), cjson.decode(entry).index, entry) end
for _, job in ipairs(jobs) do accept(job) end
redis.call('HSET', run_key(id), 'cursor', ARGV[3], 'next_index', ARGV[4])
return 'admitted'
