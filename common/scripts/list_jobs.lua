-- One page of a caller's jobs, newest first. ARGV: caller, id to start below or '', most jobs. Answers their fields.
local below = ARGV[2] == '' and '+' or '(' .. ARGV[2]
local jobs = {}
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', root .. 'jobs:' .. ARGV[1], below, '-', 'LIMIT', 0, tonumber(ARGV[3]))) do
  local fields = redis.call('HGETALL', job_key(id))
  if #fields > 0 then jobs[#jobs + 1] = fields end
end
return jobs
