-- Which files no record lists. ARGV: 'file_owners' for reports by sha256 or 'file' for files by id, JSON list of them.
-- Answers those.
local unlisted = {}
for _, name in ipairs(cjson.decode(ARGV[2])) do
  if redis.call('EXISTS', root .. ARGV[1] .. ':' .. name) == 0 then unlisted[#unlisted + 1] = name end
end
return unlisted
