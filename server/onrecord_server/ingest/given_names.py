"""Common given names by the gender they are mostly given to. Used only to resolve "he" and "she" inside a document."""

from __future__ import annotations

from onrecord_server.domain.words import word_set

MALE = word_set(
    """
    aaron abdul abraham adam ahmed alan albert alejandro alexander alexei ali allen andre andrei andrew angus
    anthony antonio antony arnold arthur asif barack benjamin ben bernard bernie bill bob boris brad brandon brendan
    brett brian bruce carl carlos charles charlie chris christopher chuck colin corey craig curtis cory daniel dan
    darrell dave david dean dennis denis derek dick dmitry dmitri don donald doug douglas dwight ed eddie edward
    emmanuel enrique eric erik ernest evan felipe fernando francis francois frank frederick gary gavin gene geoffrey
    george gerald giuseppe glenn gordon graham greg gregory guy harold harry hassan henry howard hugh hugo ian igor
    isaac ivan jack jacob jake james jamal jared jason javier jay jean jeb jeff jeffrey jens jeremy jerome jerry
    jesse jim jimmy joe joel john johnny jon jonathan jorge jose joseph josh joshua juan julian justin keith ken
    kenneth kevin khalid kirk kurt kyle lance larry lawrence lee leo leon leonid lewis liam lindsey lloyd louis
    lucas luis luke manuel marc marco marcus mario mark martin marvin matt matthew maurice max michael miguel
    mikhail mike mitch mitt mohammad mohammed muhammad nathan neil newt nicholas nick nicolas nigel noah norman oleg
    oliver omar oscar oswald owen pablo patrick paul pedro pete peter phil philip phillip pierre rafael ralph ramon
    rand randall randy raul ray raymond recep reince richard rick robert roberto rodney rodrigo roger roland ron
    ronald ross roy russell ryan sadiq salman sam samuel scott sean sebastian sergei sergey seth shane sidney simon
    spencer stan stanley stephen steve steven stuart ted terrence terry theodore thomas tim timothy tobias todd tom
    tommy tony travis trent trevor troy tyler vernon victor viktor vincent vladimir volodymyr wade walter warren
    wayne wesley william winston yusuf zachary anton jinping keqiang jeremiah marty rex rudy rupert rahm jorge
    xavier
    """
)
FEMALE = (
    word_set(
        """
    abigail adriana agnes aisha alexandra alice alicia alison allison amanda amber amy ana andrea angela angelina
    anita ann anna anne annie antonia ashley audrey ayelet barbara beatrice becky bernadette beth betty beverly
    bonnie brenda bridget brittany camille candace carla carly carmen carol caroline carolyn carrie catherine
    cecilia charlotte chelsea cheryl christina christine cindy claire clara claudia colleen condoleezza connie
    constance courtney crystal cynthia dana danielle dawn deborah debbie debra denise diana diane dianne dolores
    donna dorothy edith eileen elaine eleanor elena elisabeth elise elizabeth ella ellen emily emma erica erin
    esther eva evelyn fatima felicia fiona florence frances gabriela gail georgia geraldine gina giorgia gladys
    glenda gloria grace greta gretchen gwen hannah harriet heather heidi helen helena hillary hilary holly ingrid
    irene iris isabel isabella ivanka jacinda jackie jacqueline jane janet janice jean jeanne jenna jennifer jenny
    jessica jill joan joann joanna jocelyn jodi josephine joy joyce juanita judith judy julia juliana julie kamala
    karen karin kate katherine kathleen kathryn kathy katie katy kayla kellyanne kelly kim kimberly kirsten kristen
    kristin lara laura lauren laurie leah lena leslie lily linda lisa liz lois loretta lori lorraine louise lucia
    lucy lynn madeleine maggie malala margaret maria marian marianne marie marilyn marine marsha martha mary maureen
    maxine megan melania melanie melissa mercedes meredith michelle mildred miriam molly monica nadia nancy naomi
    natalia natalie nicole nikki nina nora norma olga olivia pamela pat patricia patty paula pauline peggy penny
    phyllis priscilla rachel rebecca regina renee rhonda rita roberta robin rosa rose rosemary roxanne ruth sally
    samantha sandra sara sarah sasha selena shannon sharon sheila shelley sherry shirley sofia sonia sophia sophie
    stacy stella stephanie sue susan susana suzanne svetlana sybrina sylvia tamara tammy tanya tara teresa theresa
    tiffany tina tracy ursula valerie vanessa veronica vicki victoria virginia vivian wanda wendy whitney yolanda
    yulia yvonne zoe
    """
    )
    - MALE
)
