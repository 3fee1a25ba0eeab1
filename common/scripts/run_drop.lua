-- Cancel the jobs of a run's open items. ARGV: run id, fencing token. Answers 1, or 0 if the lease passed on.
local id, token = ARGV[1], ARGV[2]
if not feeds(id, token) then return 0 end
for _, index in ipairs(redis.call('HKEYS', open_key(id))) do ask_cancel(item_job(id, index)) end
return 1
