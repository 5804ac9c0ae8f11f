ALTER TABLE items ADD COLUMN price numeric(8, 2) NOT NULL DEFAULT 0;

UPDATE items SET price = 240 WHERE name = 'saddle';
UPDATE items SET price = 18.5 WHERE name = 'halter';
UPDATE items SET price = 95 WHERE name = 'pannier';
