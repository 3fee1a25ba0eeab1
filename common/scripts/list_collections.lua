-- One page of a caller's collections, newest first. ARGV: caller, id to start below or '', most. Answers their fields.
local below = ARGV[2] == '' and '+' or '(' .. ARGV[2]
local found = {}
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', root .. 'collections:' .. ARGV[1], below, '-', 'LIMIT', 0, tonumber(ARGV[3]))) do
  found[#found + 1] = redis.call('HGETALL', collection_key(id))
end
return found
