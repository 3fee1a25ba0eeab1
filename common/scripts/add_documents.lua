-- Add files to a collection. ARGV: collection, caller, JSON list of documents. Answers the fields of each, or false.
-- The same bytes under the same name are one document, so an upload may be repeated; one that failed is read again.
local collection, caller = ARGV[1], ARGV[2]
if not owns_collection(collection, caller) then return false end
local names = root .. 'document_names:' .. collection
local added = {}
for _, new in ipairs(cjson.decode(ARGV[3])) do
  local known = redis.call('HGET', names, new.sha256 .. ' ' .. new.name)
  local id = known or new.id
  if known then
    if not new.error and redis.call('HGET', document_key(id), 'status') == 'failed' then
      -- A file that was refused before it was kept has no owner yet.
      redis.call('SADD', root .. 'file_owners:' .. new.sha256, id)
      read_again(id)
    end
  else
    local status = new.error and 'failed' or 'pending'
    redis.call('HSET', document_key(id), 'id', id, 'collection_id', collection, 'caller', caller, 'name', new.name,
      'bytes', new.bytes, 'sha256', new.sha256, 'status', status, 'created_at_ms', now, 'attempt', 0, 'fencing_token', 0)
    redis.call('HSET', names, new.sha256 .. ' ' .. new.name, id)
    redis.call('ZADD', root .. 'documents:' .. collection, 0, id)
    redis.call('HINCRBY', collection_key(collection), status, 1)
    redis.call('HINCRBY', collection_key(collection), 'bytes', new.bytes)
    if new.error then
      redis.call('HSET', document_key(id), 'error', new.error)
    else
      redis.call('SADD', root .. 'file_owners:' .. new.sha256, id)
      redis.call('ZADD', root .. 'documents_pending', now, id)
    end
  end
  added[#added + 1] = redis.call('HGETALL', document_key(id))
end
redis.call('PUBLISH', root .. 'notify', collection)
return added
