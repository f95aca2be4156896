-- A small shop's day in SQLite's shell: load, index, join, search, JSON, text, change, delete, compact.
-- Everything is computed from the numbers 1, 2, 3, ..., so that each run does the same work.
.mode csv
.headers on
pragma journal_mode = memory;
pragma temp_store = memory;

create table customer (id integer primary key, name text not null, town text, joined text, note text);
create table product (id integer primary key, title text not null, price integer, tags text);
create table sale (id integer primary key, customer integer references customer, product integer
    references product, amount integer, day text);
create table audit (at text, what text);
create trigger sale_made after insert on sale when new.id % 50 = 0
    begin insert into audit values (new.day, printf('sale %d of %d', new.id, new.amount)); end;

begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500)
insert into customer
    select i, printf('customer %05d %s', i, substr(hex(i * 7919), 1, 4)), 'town ' || (i % 37),
           date('2020-01-01', printf('+%d days', i % 900)),
           case i % 5 when 0 then null else substr('a remark of some length about this one', 1, i % 38) end
    from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 400)
insert into product
    select i, 'product ' || i, 100 + (i * 7919) % 9900,
           json_array('tag' || (i % 7), 'tag' || (i % 11), json_object('weight', i % 13, 'eco', i % 2))
    from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 12000)
insert into sale
    select i, 1 + (i * 48271) % 1500, 1 + (i * 16807) % 400, 1 + i % 9,
           date('2023-01-01', printf('+%d days', (i * 31) % 365))
    from n;
commit;

create index sale_customer on sale (customer, day);
create index sale_product on sale (product);
create index customer_town on customer (town collate nocase);
analyze;

-- What each town bought, by month.
select c.town, substr(s.day, 1, 7) as month, count(*) as sales, sum(s.amount * p.price) as turnover
    from sale s join customer c on c.id = s.customer join product p on p.id = s.product
    group by c.town, month order by turnover desc limit 40;

-- The best three products of each quarter.
with ranked as (
    select (cast(substr(day, 6, 2) as integer) + 2) / 3 as quarter, product, sum(amount) as sold,
           row_number() over (partition by (cast(substr(day, 6, 2) as integer) + 2) / 3
                              order by sum(amount) desc, product) as place
    from sale group by quarter, product)
select quarter, title, sold from ranked join product on product.id = ranked.product where place <= 3;

-- JSON taken apart and put together.
select json_extract(p.tags, '$[2].weight') as weight, count(*), group_concat(distinct tag.value)
    from product p, json_each(p.tags) as tag where tag.type = 'text' group by weight order by weight;
select json_group_object(town, people) from
    (select town, count(*) as people from customer group by town);

-- Text: search, replace, pad, sort by what is computed.
select upper(name), replace(note, 'some', 'any'), instr(note, 'length'), length(note)
    from customer where note like '%remark%of%' order by substr(name, 16), name limit 300;
select count(*) from customer a join customer b on a.town = b.town and a.id < b.id
    where a.name glob '*5*' and b.note is null;

-- Many small statements, as an application sends them.
select name, town from customer where id = 38;
update customer set note = 'seen 1 times' where id = 38;
insert into sale (customer, product, amount, day) values (38, 12, 2, '2023-06-02');
select name, town from customer where id = 75;
update customer set note = 'seen 2 times' where id = 75;
insert into sale (customer, product, amount, day) values (75, 23, 3, '2023-06-03');
select name, town from customer where id = 112;
update customer set note = 'seen 3 times' where id = 112;
insert into sale (customer, product, amount, day) values (112, 34, 4, '2023-06-04');
select name, town from customer where id = 149;
update customer set note = 'seen 4 times' where id = 149;
insert into sale (customer, product, amount, day) values (149, 45, 5, '2023-06-05');
select name, town from customer where id = 186;
update customer set note = 'seen 5 times' where id = 186;
insert into sale (customer, product, amount, day) values (186, 56, 6, '2023-06-06');
select name, town from customer where id = 223;
update customer set note = 'seen 6 times' where id = 223;
insert into sale (customer, product, amount, day) values (223, 67, 7, '2023-06-07');
select name, town from customer where id = 260;
update customer set note = 'seen 7 times' where id = 260;
insert into sale (customer, product, amount, day) values (260, 78, 8, '2023-06-08');
select name, town from customer where id = 297;
update customer set note = 'seen 8 times' where id = 297;
insert into sale (customer, product, amount, day) values (297, 89, 9, '2023-06-09');
select name, town from customer where id = 334;
update customer set note = 'seen 9 times' where id = 334;
insert into sale (customer, product, amount, day) values (334, 100, 1, '2023-06-10');
select name, town from customer where id = 371;
update customer set note = 'seen 10 times' where id = 371;
insert into sale (customer, product, amount, day) values (371, 111, 2, '2023-06-11');
select name, town from customer where id = 408;
update customer set note = 'seen 11 times' where id = 408;
insert into sale (customer, product, amount, day) values (408, 122, 3, '2023-06-12');
select name, town from customer where id = 445;
update customer set note = 'seen 12 times' where id = 445;
insert into sale (customer, product, amount, day) values (445, 133, 4, '2023-06-13');
select name, town from customer where id = 482;
update customer set note = 'seen 13 times' where id = 482;
insert into sale (customer, product, amount, day) values (482, 144, 5, '2023-06-14');
select name, town from customer where id = 519;
update customer set note = 'seen 14 times' where id = 519;
insert into sale (customer, product, amount, day) values (519, 155, 6, '2023-06-15');
select name, town from customer where id = 556;
update customer set note = 'seen 15 times' where id = 556;
insert into sale (customer, product, amount, day) values (556, 166, 7, '2023-06-16');
select name, town from customer where id = 593;
update customer set note = 'seen 16 times' where id = 593;
insert into sale (customer, product, amount, day) values (593, 177, 8, '2023-06-17');
select name, town from customer where id = 630;
update customer set note = 'seen 17 times' where id = 630;
insert into sale (customer, product, amount, day) values (630, 188, 9, '2023-06-18');
select name, town from customer where id = 667;
update customer set note = 'seen 18 times' where id = 667;
insert into sale (customer, product, amount, day) values (667, 199, 1, '2023-06-19');
select name, town from customer where id = 704;
update customer set note = 'seen 19 times' where id = 704;
insert into sale (customer, product, amount, day) values (704, 210, 2, '2023-06-20');
select name, town from customer where id = 741;
update customer set note = 'seen 20 times' where id = 741;
insert into sale (customer, product, amount, day) values (741, 221, 3, '2023-06-21');
select name, town from customer where id = 778;
update customer set note = 'seen 21 times' where id = 778;
insert into sale (customer, product, amount, day) values (778, 232, 4, '2023-06-22');
select name, town from customer where id = 815;
update customer set note = 'seen 22 times' where id = 815;
insert into sale (customer, product, amount, day) values (815, 243, 5, '2023-06-23');
select name, town from customer where id = 852;
update customer set note = 'seen 23 times' where id = 852;
insert into sale (customer, product, amount, day) values (852, 254, 6, '2023-06-24');
select name, town from customer where id = 889;
update customer set note = 'seen 24 times' where id = 889;
insert into sale (customer, product, amount, day) values (889, 265, 7, '2023-06-25');
select name, town from customer where id = 926;
update customer set note = 'seen 25 times' where id = 926;
insert into sale (customer, product, amount, day) values (926, 276, 8, '2023-06-26');
select name, town from customer where id = 963;
update customer set note = 'seen 26 times' where id = 963;
insert into sale (customer, product, amount, day) values (963, 287, 9, '2023-06-27');
select name, town from customer where id = 1000;
update customer set note = 'seen 27 times' where id = 1000;
insert into sale (customer, product, amount, day) values (1000, 298, 1, '2023-06-28');
select name, town from customer where id = 1037;
update customer set note = 'seen 28 times' where id = 1037;
insert into sale (customer, product, amount, day) values (1037, 309, 2, '2023-06-01');
select name, town from customer where id = 1074;
update customer set note = 'seen 29 times' where id = 1074;
insert into sale (customer, product, amount, day) values (1074, 320, 3, '2023-06-02');
select name, town from customer where id = 1111;
update customer set note = 'seen 30 times' where id = 1111;
insert into sale (customer, product, amount, day) values (1111, 331, 4, '2023-06-03');
select name, town from customer where id = 1148;
update customer set note = 'seen 31 times' where id = 1148;
insert into sale (customer, product, amount, day) values (1148, 342, 5, '2023-06-04');
select name, town from customer where id = 1185;
update customer set note = 'seen 32 times' where id = 1185;
insert into sale (customer, product, amount, day) values (1185, 353, 6, '2023-06-05');
select name, town from customer where id = 1222;
update customer set note = 'seen 33 times' where id = 1222;
insert into sale (customer, product, amount, day) values (1222, 364, 7, '2023-06-06');
select name, town from customer where id = 1259;
update customer set note = 'seen 34 times' where id = 1259;
insert into sale (customer, product, amount, day) values (1259, 375, 8, '2023-06-07');
select name, town from customer where id = 1296;
update customer set note = 'seen 35 times' where id = 1296;
insert into sale (customer, product, amount, day) values (1296, 386, 9, '2023-06-08');
select name, town from customer where id = 1333;
update customer set note = 'seen 36 times' where id = 1333;
insert into sale (customer, product, amount, day) values (1333, 397, 1, '2023-06-09');
select name, town from customer where id = 1370;
update customer set note = 'seen 37 times' where id = 1370;
insert into sale (customer, product, amount, day) values (1370, 8, 2, '2023-06-10');
select name, town from customer where id = 1407;
update customer set note = 'seen 38 times' where id = 1407;
insert into sale (customer, product, amount, day) values (1407, 19, 3, '2023-06-11');
select name, town from customer where id = 1444;
update customer set note = 'seen 39 times' where id = 1444;
insert into sale (customer, product, amount, day) values (1444, 30, 4, '2023-06-12');
select name, town from customer where id = 1481;
update customer set note = 'seen 40 times' where id = 1481;
insert into sale (customer, product, amount, day) values (1481, 41, 5, '2023-06-13');

-- Change, give up, delete, compact.
savepoint trial;
update sale set amount = amount + 1 where customer in (select id from customer where town = 'town 3');
delete from product where price < 500;
rollback to trial;
release trial;
update customer set name = lower(name) || ' of ' || town where id % 3 = 0;
delete from sale where day < '2023-03-01';
select count(*), min(day), max(day), total(amount) from sale;
create table archive as select s.*, c.name from sale s left join customer c on c.id = s.customer
    where s.id % 2 = 0;
drop index sale_product;
vacuum;
pragma integrity_check;
select name, type from sqlite_schema order by name;
