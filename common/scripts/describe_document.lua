-- Read a document. ARGV: collection, document, caller. Answers its fields, or false.
local state = redis.call('HMGET', document_key(ARGV[2]), 'collection_id', 'caller')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[3] then return false end
return redis.call('HGETALL', document_key(ARGV[2]))
