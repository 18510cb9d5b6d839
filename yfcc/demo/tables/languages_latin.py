"""Vocabulary of the languages in Latin script."""

from __future__ import annotations

from typing import Final

from yfcc.demo.tables.language import Language, split_row, split_rows

_SYLLABLES: Final = split_row(
    "ba|be|bri|ca|cor|da|del|do|el|fa|fen|fi|ga|gre|ha|hol|ia|jo|ka|ki|la|len|lo|lu|ma|mel|mi|mo|"
    "na|nel|no|or|pa|pel|qui|ra|ren|ri|ro|sa|sha|sol|ta|tel|ti|tor|tu|va|vel|vi|wen|xo|ya|zan|zu"
)

ENGLISH: Final = Language(
    code="en",
    nouns=split_rows(
        "Sunset|Last light|Evening sky|Golden hour;"
        "Beach|The long shore|Low tide|Sand & sea;"
        "Mountain|The north ridge|Summit|Above the valley;"
        "Forest|Old trees|Woodland path|Pines;"
        "City|Skyline|Rooftops|Downtown;"
        "Night|Full moon|After dark|Stars;"
        "Flower|Petals|Wild poppies|In bloom;"
        "Snow|First snow|Frozen lake|Winter morning;"
        "Lunch|Cake|Breakfast|Street food;"
        "Heron|Two gulls|The neighbour's cat|Birds;"
        "Live on stage|Encore|The band|Drums;"
        "Road|Miles to go|Desert highway|Crossroads"
    ),
    tails=split_row(
        "in the morning|again|last summer|from the window|with friends|at the edge|for Mum|"
        "before the rain|(2nd try)|on film|#1|, finally|- day 3|at 50mm|in black & white|"
        "+ a dog|!|?|...|near home|over the harbour|on the way back|at noon|, part two|"
        "from the train|by the old mill|without a tripod|in the fog|: a study|at low tide"
    ),
    openings=split_row(
        "We walked along the shore|Taken from the old bridge|I had waited an hour for this|"
        "My sister found this place|The light changed quickly|This was our second day|"
        "Found on an old memory card|Scanned from a negative|We left the car by the gate|"
        "Nobody had told us about it|The ferry was late|I nearly missed it|"
        "It was colder than it looks|You can see it from the kitchen|The path ends here|"
        "A quick test of the new lens|Three frames put together|The whole family came"
    ),
    middles=split_row(
        "just before the rain|with the small lens|while the others slept|on the last evening|"
        "after a very long drive|between two showers|and the wind was strong|at about six o'clock|"
        "near the lighthouse|half way up the hill|for the weekly challenge|on a borrowed camera|"
        "with far too much coffee|in the wrong shoes|behind the market hall|on day 42 of 365"
    ),
    endings=split_row(
        "and nobody else was there.|so I stopped.|which made it worth it.|and then it was gone.|"
        'as the sign says: "keep out".|and I would go again.|but the dog did not agree.|'
        "and we stayed until dark.|(best seen large).|so please leave a note.|"
        "and that's all I remember.|with 100% natural colour.|as you do :-)|"
        "and it cost us $5 + tip.|no crop, no edit.|and the tea was cold."
    ),
    syllables=_SYLLABLES,
)

SPANISH: Final = Language(
    code="es",
    nouns=split_rows(
        "Atardecer|Última luz|Cielo de otoño;Playa|La orilla|Marea baja;Montaña|La cumbre|Sierra;"
        "Bosque|Pinar|Árboles viejos;Ciudad|Azoteas|Plaza mayor;Noche|Luna llena|Estrellas;"
        "Flor|Pétalos|Amapolas;Nieve|Lago helado|Mañana de invierno;Almuerzo|Tarta|Desayuno;"
        "Garza|Gaviotas|El gato del vecino;En directo|La banda|Tambores;Carretera|Camino|Cruce"
    ),
    tails=split_row(
        "por la mañana|otra vez|el verano pasado|desde la ventana|con amigos|¡por fin!|en agosto"
    ),
    openings=split_row(
        "Caminamos por la orilla|Mi hermana encontró este sitio|La luz cambió deprisa|"
        "Fue nuestro segundo día|Salimos sin paraguas|Hacía más frío de lo que parece"
    ),
    middles=split_row(
        "justo antes de la lluvia|con el niño dormido|después de comer|cerca del faro|"
        "a eso de las seis|en la última tarde"
    ),
    endings=split_row(
        "y no había nadie más.|y nos quedamos hasta la noche.|¡qué lujo!|así que paré.|"
        "y mañana volvemos."
    ),
    syllables=_SYLLABLES,
)

FRENCH: Final = Language(
    code="fr",
    nouns=split_rows(
        "Coucher de soleil|Dernière lumière|Ciel d'été;Plage|Le rivage|Marée basse;"
        "Montagne|Le sommet|Crête;Forêt|Sous-bois|Vieux arbres;Ville|Les toits|Place du marché;"
        "Nuit|Pleine lune|Étoiles;Fleur|Pétales|Coquelicots;Neige|Lac gelé|Matin d'hiver;"
        "Déjeuner|Gâteau|Petit-déjeuner;Héron|Mouettes|Le chat d'à côté;"
        "En concert|Le groupe|Batterie;Route|Chemin|Carrefour"
    ),
    tails=split_row(
        "le matin|encore|l'été dernier|de la fenêtre|entre amis|, enfin|à l'aube|(essai)"
    ),
    openings=split_row(
        "Nous avons marché le long de l'eau|Ma sœur a trouvé cet endroit|"
        "La lumière a vite changé|C'était notre deuxième jour|Le bac était en retard"
    ),
    middles=split_row(
        "juste avant la pluie|près du phare|vers six heures|à mi-côte|après le déjeuner|"
        "pendant que les autres dormaient"
    ),
    endings=split_row(
        "et il n'y avait personne.|alors je me suis arrêté.|et c'était très bien.|"
        "puis plus rien.|à refaire !"
    ),
    syllables=_SYLLABLES,
)

GERMAN: Final = Language(
    code="de",
    nouns=split_rows(
        "Sonnenuntergang|Letztes Licht|Abendhimmel;Strand|Ufer|Ebbe;Gipfel|Grat|Über dem Tal;"
        "Wald|Alte Bäume|Waldweg;Stadt|Dächer|Marktplatz;Nacht|Vollmond|Sterne;"
        "Blüte|Mohn|Blütenblätter;Schnee|Gefrorener See|Wintermorgen;"
        "Mittagessen|Kuchen|Frühstück;Reiher|Möwen|Nachbars Katze;"
        "Auf der Bühne|Zugabe|Schlagzeug;Straße|Landstraße|Kreuzung"
    ),
    tails=split_row(
        "am Morgen|schon wieder|im letzten Sommer|vom Fenster aus|mit Freunden|, endlich|für Oma"
    ),
    openings=split_row(
        "Wir gingen am Ufer entlang|Meine Schwester fand diesen Ort|Das Licht änderte sich schnell|"
        "Es war unser zweiter Tag|Die Fähre kam zu spät"
    ),
    middles=split_row(
        "kurz vor dem Regen|mit dem kleinen Objektiv|in der Nähe vom Leuchtturm|gegen sechs Uhr|"
        "auf halber Höhe|während die anderen schliefen"
    ),
    endings=split_row(
        "und sonst war niemand da.|also blieb ich stehen.|und dann war es vorbei.|"
        "schön war's.|und der Tee war kalt."
    ),
    syllables=_SYLLABLES,
)

ITALIAN: Final = Language(
    code="it",
    nouns=split_rows(
        "Tramonto|Ultima luce|Cielo di sera;Spiaggia|La riva|Bassa marea;Montagna|Cima|Cresta;"
        "Bosco|Vecchi alberi|Pineta;Città|Tetti|Piazza;Notte|Luna piena|Stelle;"
        "Fiore|Petali|Papaveri;Neve|Lago ghiacciato|Mattina d'inverno;Pranzo|Torta|Colazione;"
        "Airone|Gabbiani|Il gatto del vicino;Dal vivo|La banda|Tamburi;Strada|Sentiero|Incrocio"
    ),
    tails=split_row("di mattina|ancora|l'estate scorsa|dalla finestra|con amici|, finalmente|però"),
    openings=split_row(
        "Abbiamo camminato lungo la riva|Mia sorella ha trovato questo posto|"
        "La luce è cambiata in fretta|Era il secondo giorno|Il traghetto era in ritardo"
    ),
    middles=split_row(
        "poco prima della pioggia|vicino al faro|verso le sei|a metà salita|dopo pranzo"
    ),
    endings=split_row(
        "e non c'era nessuno.|così mi sono fermato.|e poi è finito.|che bello!|e ci torneremo."
    ),
    syllables=_SYLLABLES,
)

PORTUGUESE: Final = Language(
    code="pt",
    nouns=split_rows(
        "Pôr do sol|Última luz|Céu da tarde;Praia|A orla|Maré baixa;Montanha|Cume|Serra;"
        "Floresta|Árvores velhas|Trilha;Cidade|Telhados|Praça;Noite|Lua cheia|Estrelas;"
        "Flor|Pétalas|Papoilas;Neve|Lago gelado|Manhã de inverno;Almoço|Bolo|Pequeno-almoço;"
        "Garça|Gaivotas|O gato do vizinho;Ao vivo|A banda|Tambores;Estrada|Caminho|Cruzamento"
    ),
    tails=split_row(
        "de manhã|outra vez|no verão passado|da janela|com amigos|, até que enfim|não sei"
    ),
    openings=split_row(
        "Andámos pela orla|A minha irmã encontrou este lugar|A luz mudou depressa|"
        "Foi o segundo dia|O barco atrasou-se"
    ),
    middles=split_row(
        "pouco antes da chuva|perto do farol|pelas seis horas|a meio da subida|depois do almoço"
    ),
    endings=split_row(
        "e não havia ninguém.|por isso parei.|e depois acabou.|que saudade!|e amanhã há mais."
    ),
    syllables=_SYLLABLES,
)

DUTCH: Final = Language(
    code="nl",
    nouns=split_rows(
        "Zonsondergang|Laatste licht|Avondlucht;Strand|De oever|Eb;Berg|Top|Kam;"
        "Bos|Oude bomen|Bospad;Stad|Daken|Markt;Nacht|Volle maan|Sterren;"
        "Bloem|Klaprozen|Bloesem;Sneeuw|Bevroren meer|Winterochtend;Middageten|Taart|Ontbijt;"
        "Reiger|Meeuwen|De kat van hiernaast;Op het podium|De band|Trommels;Weg|Landweg|Kruispunt"
    ),
    tails=split_row("in de ochtend|alweer|vorige zomer|uit het raam|met vrienden|, eindelijk"),
    openings=split_row(
        "We liepen langs het water|Mijn zus vond deze plek|Het licht veranderde snel|"
        "Het was onze tweede dag|De veerboot was te laat"
    ),
    middles=split_row(
        "vlak voor de regen|bij de vuurtoren|rond zes uur|halverwege de helling|na de lunch"
    ),
    endings=split_row(
        "en er was verder niemand.|dus ik stopte.|en toen was het voorbij.|een mooie dag."
    ),
    syllables=_SYLLABLES,
)

LATIN_LANGUAGES: Final = (ENGLISH, SPANISH, FRENCH, GERMAN, ITALIAN, PORTUGUESE, DUTCH)
