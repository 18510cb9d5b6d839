"""Concepts of the autotags: those of each theme, and the general vocabulary."""

from __future__ import annotations

from typing import Final

#: For each of ``language.THEMES``: groups parted by ``;``. The concepts of a group imply one
#: another and share a score, as a parent and its child do in the true file.
_THEME_GROUPS: Final = (
    (
        "sunset,dusk;sky,outdoor;cloud,cloudscape;sun,sunlight;silhouette;serene;orange;horizon,sea,"
        "water;landscape,nature;backlit;afterglow;evening"
    ),
    (
        "beach,shore,seaside;sea,ocean,water;sand;outdoor,sky;wave,surf;coast,nature;boat,vehicle;"
        "people,group;swimwear;palm tree,plant;summer;horizon"
    ),
    (
        "mountain,ridge,hill;landscape,outdoor,nature;snowcap;rock,cliff;valley;sky,cloud;hiking,sport;"
        "lake,water;mountain peak;glacier,ice;serene;panorama"
    ),
    (
        "forest,woodland,tree;plant,nature,outdoor;foliage;path,trail;autumn;moss;fog,mist;trunk;"
        "sunbeam;undergrowth;green;fern"
    ),
    (
        "city,cityscape;building,architecture;skyline,outdoor;street,road;tower;skyscraper;window;"
        "bridge;traffic,car,vehicle;people,crowd;facade;downtown"
    ),
    (
        "night;moon,lunar,full moon;neon light,light;dark,black;star,astronomy;fireworks;"
        "light trail,long exposure;street lamp;serene;moonlight;reflection,water"
    ),
    (
        "flower,plant,blossom;petal,macro;nature,outdoor;garden;red,colour;leaf;bee,insect,animal;"
        "bouquet;spring;shallow depth of field,bokeh;pollen;stem"
    ),
    (
        "snow,winter;outdoor,nature;ice,frost;tree,plant;white,white background;snowdrift;snowman;"
        "ski,sport;sledge;blizzard,storm;footprint;icicle"
    ),
    (
        "food,dish;plate,tableware;indoor;dessert,cake,baked goods;fruit;meal,lunch;bread;soup;"
        "coffee,drink,cup;vegetable;restaurant;valentine's day"
    ),
    (
        "animal,wildlife;bird;nature,outdoor;feather,plumage;cat,pet;water,pond;wing,flight;beak;"
        "bird's nest;dog;heron,wader;zoo"
    ),
    (
        "concert,music,performance;stage,indoor;people,crowd;guitar,musical instrument;singer,"
        "microphone;drum;spotlight,light;band;nightclub;rock 'n' roll;festival;dancing"
    ),
    (
        "road,highway;outdoor,landscape;vehicle,car;desert,dry land;vanishing point;asphalt;"
        "traffic sign,sign;bicycle,two-wheeler;semi-trailer,lorry;sky,cloud;motion blur;dust"
    ),
)

THEME_CONCEPTS: Final = tuple(
    tuple(tuple(group.split(",")) for group in row.split(";")) for row in _THEME_GROUPS
)

#: Concepts that may stand beside any theme. Quotes, blanks and hyphens are raw
#: in the file.
_GENERAL: Final = """\
abandoned,abstract,accordion,acrobat,actor,adobe house,aerial view,airfield,airport,alley,altar,
ambulance,amphitheatre,amusement park,anchor,antelope,antenna,antique,apartment,apple,aquarium,
aqueduct,arcade,arch,archery,armchair,arrow,art,artist's studio,atrium,attic,audience,aurora,
avocado,axe,baby,baby's room,backpack,badge,badminton,bag,bakery,balcony,ballet,balloon,bamboo,
banana,bandstand,banjo,banner,barbecue,barge,bark,barn,barrel,barricade,baseball,basement,
basilica,basket,basketball,bat,bath,bazaar,beacon,bead,bear,beard,bedroom,beer,beetle,bell,
bell tower,belt,bench,berry,billboard,binoculars,biplane,birch,birthday,biscuit,bison,
black and white,blackberry,blackboard,blanket,blue,blur,boardwalk,boathouse,bonfire,book,
bookshelf,boot,bottle,boulder,bow tie,bowl,bowling,box,boxing,bracelet,branch,brass,brick,bride,
brook,broom,brush,bubble,bucket,buckle,buffalo,buffet,bull's-eye,bulldozer,bunting,buoy,bus,
bus stop,bush,butcher's shop,butterfly,button,cabin,cabinet,cable car,cactus,cafe,calendar,calf,
calligraphy,camel,camera,camping,canal,candle,candlelight,canoe,canopy,canyon,cape,carnival,
carousel,carpet,carriage,carrot,cart,carving,castle,catamaran,caterpillar,cathedral,cattle,cave,
ceiling,cellar,cello,cemetery,ceramics,chain,chair,chandelier,chapel,chariot,cheese,chef's hat,
cherry,chess,chestnut,chicken,child,child's play,chimney,chocolate,choir,chopsticks,christmas,
church,cinema,circle,circus,classroom,clay,cliffside,climbing,cloak,clock,clock tower,close-up,
cloth,clown,coat,coat of arms,cobblestone,cobweb,coconut,coffin,coin,collage,column,comet,comic,
compass,computer,cone,conifer,construction site,container,cook,copper,coral,corridor,cosplay,
costume,cottage,couple,court,courtyard,cove,cow,crab,craft,crane,crater,creek,cricket,crochet,
crop circle,cross,crown,crystal,curtain,curve,cushion,cutlery,cycling,cyclist,daffodil,dahlia,
daisy,dam,dandelion,dawn,deck,deer,delta,demonstration,desk,dewdrop,diagonal,diamond,diner,
dinosaur,diver,dock,doll,dolphin,dome,donkey,door,doorway,dragon,dragonfly,drawing,dress,drizzle,
drone view,drop,duck,dune,dusty,eagle,earring,easter egg,eclipse,egg,elephant,elevator,embroidery,
engine,equestrian,erosion,escalator,estuary,ethereal,evergreen,eye,fabric,face,fair,fairground,
falcon,fan,farm,farmer's market,farmhouse,fashion,fence,ferris wheel,ferry,field,fire,fire engine,
fireplace,fish,fisherman's hut,fishing,fjord,flag,flame,flamingo,floor,flute,folk costume,
football,footbridge,fort,fossil,fountain,fox,fractal,freckles,freight,fridge,frog,frozen,
fruit stall,fungus,fur,furniture,gallery,garage,garland,gate,gazebo,geometric,geyser,ginger,
giraffe,glass,glasses,globe,glove,goat,goggles,gold,goldfish,golf,gondola,goose,gorge,graduation,
graffiti,grain,grape,grass,grasshopper,gravel,graveyard,gravity,greenhouse,grey,grille,grotto,
ground floor,gull,guitarist,gymnastics,hail,hair,hairstyle,halloween,hammock,hand,handbag,
handwriting,hangar,harbour,harp,harvest,hat,hay,hayfield,headland,headphones,hedge,hedgehog,
helicopter,helmet,hen,herb,highland,hippo,hockey,holiday,honey,horse,hospital,hot-air balloon,
hotel,hound,house,houseboat,hummingbird,hut,ice cream,iceberg,iguana,infant,infrared,ink,inn,
interior,iris,iron,island,ivy,jacket,jaguar,jar,jazz,jeans,jellyfish,jetty,jewellery,jockey,
journal,jug,juggler,juice,jumping,jungle,junk shop,kangaroo,kayak,kettle,keyboard,kingfisher,
kiosk,kitchen,kite,kitten,knife,knitting,koala,laboratory,lace,ladder,ladybird,lagoon,lamb,lamp,
lantern,laptop,laser,laundry,lavender,lawn,lecture,lemon,lens flare,leopard,letter,library,lichen,
lifeboat,lighthouse,lightning,lily,lily pad,limestone,line art,lion,lizard,lobby,lobster,lock,
locomotive,log,logo,lotus,luggage,lunch box,lynx,macaw,machine,magazine,magnolia,manga,mannequin,
mansion,map,maple,marathon,marble,marina,market,marsh,mask,mast,maze,meadow,medal,melon,memorial,
men's clothing,menu,mermaid,metal,meteor,mill,mime,minaret,mine,minimalism,mirror,moat,model,
monastery,money,monkey,monochrome,monsoon,monument,mosaic,mosque,moth,motorboat,motorcycle,mural,
museum,mushroom,narrowboat,necklace,needlework,nest,net,newspaper,noodle,notebook,number,nut,oak,
oar,oasis,observatory,octopus,office,oil painting,olive,onion,opera,orange juice,orchard,
orchestra,orchid,organic pattern,origami,ornament,ostrich,otter,oven,owl,ox,oyster,paddle,pagoda,
paint,painting,palace,pancake,panda,paper,parachute,parade,parasol,park,parrot,party,pasta,pastel,
pastry,patchwork,pattern,pavement,pavilion,peacock,pear,pebble,pedal,pelican,pencil,penguin,
pepper,piano,picnic,pie,pier,pig,pigeon,pillar,pillow,pine cone,pineapple,pizza,plain,planet,
plaza,podium,polar bear,police,pony,pool,poppy,porcelain,porch,portrait,poster,pottery,prairie,
pram,prism,propeller,puddle,pumpkin,puppet,puppy,purple,puzzle,pyramid,quarry,quartet,queue,quilt,
quirky,rabbit,racing,radio,raft,railing,railway,rain,rainbow,raincoat,rainforest,raspberry,reef,
relief,reptile,reservoir,retro,rhino,ribbon,rice,ring,river,riverbank,robot,rocket,rocking chair,
rodeo,roller coaster,roof,room,rope,rose,rowing,rubble,rugby,ruin,rust,saddle,sail,sailboat,
sailor,salad,sandal,sandcastle,sandstone,sandwich,saxophone,scaffold,scarecrow,scarf,school,
science,sculpture,seal,seashell,seat,seaweed,sepia,shadow,shark,sheep,shelf,shell,shelter,shield,
ship,shipwreck,shirt,shoe,shop,shop window,shrine,shrub,signpost,silk,silver,skateboard,skeleton,
sketch,skull,slide,sloth,smile,smoke,snail,snake,soldier,spice,spider,spider's web,spiral,splash,
sponge,spoon,square,squid,squirrel,stable,stadium,stained glass,stair,stairwell,stall,statue,
steam,steel,stone,stone wall,stork,stove,straw,strawberry,stream,street art,string,stripe,studio,
submarine,subway,suit,suitcase,sunflower,surfing,surreal,sushi,suspension bridge,swamp,swan,
swimming,swing,sword,symmetry,synagogue,t-shirt,table,tail,tank,tapestry,tattoo,tea,teapot,
telephone,telescope,temple,tennis,tent,text,texture,theatre,thistle,throne,thunderstorm,tiger,
tile,toad,toast,tomato,tomb,tool,tortoise,totem pole,toy,tractor,train,tram,tricycle,tripod,
trophy,trousers,truck,trumpet,tulip,tunnel,turbine,turkey,turtle,twig,typewriter,umbrella,
underground,underwater,unicycle,uniform,urban decay,van,vase,vaulted ceiling,vehicle interior,
veil,velvet,veranda,viaduct,vine,vineyard,vintage,violin,volcano,volleyball,vulture,waiter,wall,
walrus,wardrobe,warehouse,watch,water lily,water tower,watercolour,waterfall,watermelon,
waterwheel,weathervane,weaving,wedding,well,wetland,whale,wheat,wheel,wheelchair,willow,windmill,
window display,wine,wolf,women's clothing,wood,workshop,wreath,wrestling,yacht,yard,yellow,yoga,
zebra,new year's eve,mother's day,farmer's field,king's crown,st. patrick's day"""

GENERAL_CONCEPTS: Final = tuple(_GENERAL.replace("\n", "").split(","))

#: The most concepts one item has.
MAX_CONCEPTS: Final = 65
