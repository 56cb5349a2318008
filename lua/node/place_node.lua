-- place_node: settles the cell of a node that no cell knows; the first to ask decides
-- KEYS prefix
-- ARGV instance str
-- ARGV node str
-- ARGV cell int
-- RETURNS OK cell

local key = prefix .. 'place:' .. node
redis.call('SET', key, string.format('%.0f', cell), 'NX', 'EX', 3600)
return { 'OK', redis.call('GET', key) }
