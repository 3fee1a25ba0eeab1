-- One page of a collection's documents, oldest first. ARGV: collection, caller, id to start after or '', most.
-- Answers their fields, or false.
local collection = ARGV[1]
if not owns_collection(collection, ARGV[2]) then return false end
local after = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYLEX', root .. 'documents:' .. collection, after, '+', 'LIMIT', 0, tonumber(ARGV[4]))) do
  found[#found + 1] = redis.call('HGETALL', document_key(id))
end
return found
