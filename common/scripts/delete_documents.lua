-- Delete a document, or a collection with all its documents. ARGV: collection, document or '', caller.
-- Answers the sha256 of files that no document lists any more, or false.
local collection, wanted = ARGV[1], ARGV[2]
if not owns_collection(collection, ARGV[3]) then return false end
local listed = root .. 'documents:' .. collection
local ids = {wanted}
if wanted == '' then
  ids = redis.call('ZRANGE', listed, 0, -1)
elseif not redis.call('ZSCORE', listed, wanted) then
  return false
end

local orphans = {}
for _, id in ipairs(ids) do
  local state = redis.call('HMGET', document_key(id), 'sha256', 'name', 'status', 'bytes')
  local owners = root .. 'file_owners:' .. state[1]
  if redis.call('SREM', owners, id) == 1 and redis.call('SCARD', owners) == 0 then orphans[#orphans + 1] = state[1] end
  redis.call('HDEL', root .. 'document_names:' .. collection, state[1] .. ' ' .. state[2])
  redis.call('HINCRBY', collection_key(collection), state[3], -1)
  -- An empty file's minus zero is no integer to Redis.
  redis.call('HINCRBY', collection_key(collection), 'bytes', 0 - state[4])
  redis.call('ZREM', root .. 'documents_pending', id)
  redis.call('ZREM', root .. 'document_leases', id)
  redis.call('ZREM', listed, id)
  redis.call('DEL', document_key(id))
end
if wanted == '' then
  redis.call('DEL', collection_key(collection), root .. 'document_names:' .. collection, root .. 'collection_queries:' .. collection)
  redis.call('ZREM', root .. 'collections:' .. ARGV[3], collection)
end
return orphans
