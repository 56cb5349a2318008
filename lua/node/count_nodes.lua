-- count_nodes: whether the cell knows a node, how many nodes have the same atoms, and how many there are
-- KEYS prefix
-- ARGV instance str
-- ARGV node str
-- ARGV atoms str
-- RETURNS OK epoch alike online

local epoch = redis.call('HGET', prefix .. 'node:' .. node, 'epoch')
local group = redis.call('HGET', prefix .. 'groups', ' ' .. atoms .. ' ')
local alike = group and redis.call('SCARD', prefix .. 'grp:' .. group .. ':nodes') or 0
return { 'OK', epoch or '0', alike, redis.call('ZCARD', prefix .. 'nodes') }
