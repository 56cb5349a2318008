-- agree_schema: names the layout of the keys, or says which one the store has already
-- KEYS prefix
-- ARGV instance str
-- ARGV schema str
-- RETURNS OK | INCOMPATIBLE schema

local key = prefix .. 'schema'
redis.call('SET', key, schema, 'NX')
local held = redis.call('GET', key)
if held ~= schema then
  return { 'INCOMPATIBLE', held }
end
return { 'OK' }
