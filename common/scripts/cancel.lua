-- Ask for a job's cancellation. ARGV: id, caller. Answers the status that follows, or false if the caller has no such job.
if field(ARGV[1], 'caller') ~= ARGV[2] then return false end
ask_cancel(ARGV[1])
return field(ARGV[1], 'status')
