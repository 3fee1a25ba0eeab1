-- Enter a caller's queries from before collections listed their own. ARGV: caller, id to go on below or '', most queries.
-- Answers the id to go on below, '' when all are entered.
local caller, most = ARGV[1], tonumber(ARGV[3])
local below = ARGV[2] == '' and '+' or '(' .. ARGV[2]
local ids = redis.call('ZREVRANGEBYLEX', root .. 'runs:extraction:' .. caller, below, '-', 'LIMIT', 0, most)
for _, id in ipairs(ids) do
  local spec = redis.call('HGET', run_key(id), 'spec')
  local collection = spec and cjson.decode(spec).collection_id
  if collection and owns_collection(collection, caller) then redis.call('ZADD', collection_queries_key(collection), 0, id) end
end
if #ids == most then return ids[most] end
redis.call('SADD', root .. 'queries_listed', caller)
return ''
