-- Count a request against a caller's rate. ARGV: caller, requests a minute. Answers {admitted, left, full in ms, again in ms}.
-- Generic cell rate algorithm: one number a caller, the moment at which all that was taken is earned back.
local key = root .. 'rate:' .. ARGV[1]
local window, step = 60000, 60000 / tonumber(ARGV[2])
local exact = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local earned = math.max(exact, tonumber(redis.call('GET', key) or '0'))
local after = earned + step
-- A thousandth of a millisecond is lost when the number is written.
if after - exact > window + 0.01 then
  return {0, 0, math.ceil(earned - exact), math.ceil(after - exact - window)}
end
redis.call('SET', key, string.format('%.3f', after), 'PX', math.ceil(after - exact) + 1)
return {1, math.floor((window + 0.01 - (after - exact)) / step), math.ceil(after - exact), 0}
