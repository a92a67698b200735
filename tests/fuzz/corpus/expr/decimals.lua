row.price - row.money == 0 and doc.a or {row.data, row.tags}
