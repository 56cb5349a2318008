-- count_nodes: whether the cell knows a node, how many nodes have the same atoms, and how many there are
-- KEYS prefix
-- ARGV instance str
-- ARGV node str
-- ARGV atoms str
-- RETURNS OK epoch alike online

local epoch = redis.call('HGET', prefix .. 'node:' .. node, 'epoch')
-- Nodes of one kind stand in several groups: by how fast they are, and how well.
local sets, wanted, alike = {}, ' ' .. atoms .. ' ', 0
for atom in string.gmatch(atoms, '%S+') do
  sets[#sets + 1] = prefix .. 'cap:' .. atom
end
for _, group in ipairs(#sets > 0 and redis.call('SINTER', unpack(sets)) or {}) do
  local identity = redis.call('GET', prefix .. 'grp:' .. group .. ':identity') or ''
  if string.sub(identity, 1, #wanted) == wanted then
    alike = alike + redis.call('SCARD', prefix .. 'grp:' .. group .. ':nodes')
  end
end
return { 'OK', epoch or '0', alike, redis.call('ZCARD', prefix .. 'nodes') }
