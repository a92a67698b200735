local s = row.name:match("^%s*(.-)%s*$"):gsub("%a", {B = "b"})
for k, v in pairs(row.data) do s = s .. k .. tostring(v ~= null) end
return string.format("s5%σ.2f", s, row.weight)
