-- No item is left: from in_progress to finalizing. ARGV: run id, fencing token. Answers the status, or false if lost.
local id, token = ARGV[1], ARGV[2]
if not feeds(id, token) then return false end
if run_status(id) == 'in_progress' and redis.call('HLEN', open_key(id)) == 0 then move_run(id, 'finalizing') end
return run_status(id)
