-- One page of a collection's queries, newest first. ARGV: collection, caller, id to start below or '', most.
-- Answers their fields, or false while the caller's older queries are not in the lists of their collections.
if not owns_collection(ARGV[1], ARGV[2]) then return {} end
if redis.call('SISMEMBER', root .. 'queries_listed', ARGV[2]) == 0 then return false end
return page_of_runs(collection_queries_key(ARGV[1]), ARGV[3], tonumber(ARGV[4]))
