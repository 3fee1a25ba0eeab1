-- One page of a caller's runs, newest first. ARGV: caller, kind, id to start below or '', most runs.
local index = root .. 'runs:' .. ARGV[2] .. ':' .. ARGV[1]
local below = ARGV[3] == '' and '+' or '(' .. ARGV[3]
local runs = {}
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', index, below, '-', 'LIMIT', 0, tonumber(ARGV[4]))) do
  local fields = redis.call('HGETALL', run_key(id))
  if #fields > 0 then runs[#runs + 1] = fields else redis.call('ZREM', index, id) end
end
return runs
