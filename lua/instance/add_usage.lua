-- add_usage: adds what tenants have used on one instance to the month, each batch once
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV batch str
-- ARGV rows list
-- RETURNS OK | REPEATED | FENCED
-- INCLUDE lib/clock.lua

local KEPT_S = 400 * 24 * 3600
local MOST_FIELDS = 3 * 5000 -- of so many tenants; further ones are counted together
local OTHERS = '(others)'

local key = prefix .. 'inst:' .. instance
if call('EXISTS', key) == 0 then
  return { 'FENCED' }
end
-- An answer may have been lost on its way: then the same batch comes again.
if call('HGET', key, 'usage_batch') == batch then
  return { 'REPEATED' }
end
call('HSET', key, 'usage_batch', batch)

-- Year and month (UTC) from days since 1970-01-01: years that begin in March, in eras of 400 years.
local function month_of(time)
  local days = math.floor(time / 86400000) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local years = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * years + math.floor(years / 4) - math.floor(years / 100))
  local from_march = math.floor((5 * of_year + 2) / 153)
  local month = from_march < 10 and from_march + 3 or from_march - 9
  return string.format('%04d-%02d', years + era * 400 + (month <= 2 and 1 or 0), month)
end

local usage = prefix .. 'usage:' .. month_of(now)
for n = 1, #rows, 4 do
  local tenant = rows[n]
  if call('HEXISTS', usage, 'sessions:' .. tenant) == 0 and call('HLEN', usage) >= MOST_FIELDS then
    tenant = OTHERS
  end
  call('HINCRBY', usage, 'sessions:' .. tenant, rows[n + 1])
  call('HINCRBY', usage, 'audio_ms:' .. tenant, rows[n + 2])
  call('HINCRBY', usage, 'jobs:' .. tenant, rows[n + 3])
end
call('EXPIRE', usage, KEPT_S)
return { 'OK' }
