"""Countries and the adjectives of their people: "Russian" -> "Russia". English, by common usage."""

from __future__ import annotations

_TABLE = """
Afghan=Afghanistan Albanian=Albania Algerian=Algeria American=United_States Angolan=Angola Argentine=Argentina
Argentinian=Argentina Armenian=Armenia Australian=Australia Austrian=Austria Azerbaijani=Azerbaijan
Bahraini=Bahrain Bangladeshi=Bangladesh Belarusian=Belarus Belgian=Belgium Bolivian=Bolivia Bosnian=Bosnia
Botswanan=Botswana Brazilian=Brazil British=Britain Bulgarian=Bulgaria Burmese=Myanmar Cambodian=Cambodia
Cameroonian=Cameroon Canadian=Canada Chadian=Chad Chilean=Chile Chinese=China Colombian=Colombia
Congolese=Congo Croatian=Croatia Cuban=Cuba Cypriot=Cyprus Czech=Czech_Republic Danish=Denmark
Dutch=Netherlands Ecuadorian=Ecuador Egyptian=Egypt English=England Eritrean=Eritrea Estonian=Estonia
Ethiopian=Ethiopia Finnish=Finland French=France Gambian=Gambia Georgian=Georgia German=Germany Ghanaian=Ghana
Greek=Greece Guatemalan=Guatemala Guinean=Guinea Haitian=Haiti Honduran=Honduras Hungarian=Hungary
Icelandic=Iceland Indian=India Indonesian=Indonesia Iranian=Iran Iraqi=Iraq Irish=Ireland Israeli=Israel
Italian=Italy Ivorian=Ivory_Coast Jamaican=Jamaica Japanese=Japan Jordanian=Jordan Kazakh=Kazakhstan
Kenyan=Kenya Kuwaiti=Kuwait Kyrgyz=Kyrgyzstan Laotian=Laos Latvian=Latvia Lebanese=Lebanon Liberian=Liberia
Libyan=Libya Lithuanian=Lithuania Malaysian=Malaysia Maldivian=Maldives Malian=Mali Maltese=Malta
Mexican=Mexico Moldovan=Moldova Mongolian=Mongolia Montenegrin=Montenegro Moroccan=Morocco Namibian=Namibia
Nepali=Nepal Nepalese=Nepal Nicaraguan=Nicaragua Nigerian=Nigeria Norwegian=Norway Omani=Oman
Pakistani=Pakistan Palestinian=Palestine Panamanian=Panama Paraguayan=Paraguay Peruvian=Peru
Philippine=Philippines Filipino=Philippines Polish=Poland Portuguese=Portugal Qatari=Qatar Romanian=Romania
Russian=Russia Rwandan=Rwanda Saudi=Saudi_Arabia Scottish=Scotland Senegalese=Senegal Serbian=Serbia
Singaporean=Singapore Slovak=Slovakia Slovenian=Slovenia Somali=Somalia Spanish=Spain Sudanese=Sudan
Swedish=Sweden Swiss=Switzerland Syrian=Syria Taiwanese=Taiwan Tajik=Tajikistan Tanzanian=Tanzania Thai=Thailand
Tunisian=Tunisia Turkish=Turkey Turkmen=Turkmenistan Ugandan=Uganda Ukrainian=Ukraine Uruguayan=Uruguay
Uzbek=Uzbekistan Venezuelan=Venezuela Vietnamese=Vietnam Welsh=Wales Yemeni=Yemen Zambian=Zambia
Zimbabwean=Zimbabwe Emirati=United_Arab_Emirates
"""

COUNTRY_OF: dict[str, str] = {
    adjective.lower(): country.replace("_", " ") for adjective, country in (p.split("=") for p in _TABLE.split())
}
"""Lower-cased adjective -> country."""

ADJECTIVE_OF: dict[str, str] = {}
"""Country, lower-cased -> its adjective, the first one listed."""
for _adjective, _country in (p.split("=") for p in _TABLE.split()):
    ADJECTIVE_OF.setdefault(_country.replace("_", " ").lower(), _adjective)

_SHORT = {
    "us": "United States",
    "u.s": "United States",
    "u.s.": "United States",
    "usa": "United States",
    "uk": "Britain",
    "u.k": "Britain",
    "u.k.": "Britain",
    "uae": "United Arab Emirates",
}


def country_named(word: str) -> str:
    """The country that a word names or describes ("Russian", "Russia", "U.S."), or "" when it does neither."""
    low = word.lower()
    if low in COUNTRY_OF:
        return COUNTRY_OF[low]
    if word in ("US", "USA", "UK", "UAE") or (low in _SHORT and "." in word):
        return _SHORT[low]
    if low in ADJECTIVE_OF:
        return _PROPER[low]
    return ""


_PROPER = {country.lower(): country for country in COUNTRY_OF.values()}
