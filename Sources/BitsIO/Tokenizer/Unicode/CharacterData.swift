/// Which characters have which property, as Hugging Face's tokenizers sees them: Unicode 16 in regular expressions, others where it says so.
///
/// Written by `Tools/character-tables`.
enum CharacterData {
    /// The general categories, and the letter of each in ``categoryRuns``.
    static let categories = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn"
    static let categoryLetters = "ULTMOnmhdlrcpseifoyuktzqxjvgwN"

    /// All characters in order: the category's letter, then how many, in hexadecimal; nothing for one.
    static let categoryRuns = """
        j20zo3uo3seoyopo2dAo2y3o2U1AsoekckL1Asyeyj21zou4toktOiyvtktyr2kLo2krOfr3oU17yU7L18yL8ULULULULULULULULULULULULULULULULULULULULULULULULULUL\
        ULUL2ULULULULULULULUL2ULULULULULULULULULULULULULULULULULULULULULULULU2LULUL3U2LULU2LU3L2U4LU2LU3L3U2LU2LULULU2LUL2ULU2LU3LULU2L2OUL3O4UTL\
        UTLUTLULULULULULULULUL2ULULULULULULULULUL2UTLULU3LULULULULULULULULULULULULULULULULULULULULULULULULULULULULUL7U2LU2L2ULU4LULULULUL45OL1BM1\
        2k4MCkEM5k7MkMk11n70ULULMkULN2ML3oUN4k2UoU3NUNU2LU11NU9L23UL2U3L3ULULULULULULULULULULULUL5ULyULU2L2U33L30ULULULULULULULULULULULULULULULUL\
        ULtn5h2ULULULULULULULULULULULULULULULULULULULULULULULULULULULU2LULULULULULUL2ULULULULULULULULULULULULULULULULULULULULULULULULULULULULULUL\
        ULULULULULULULULULULULULULULULULULULNU26N2Mo6L29opN2t2uNn2Dpnon2on2onN8O1BN4O4o2NBv6y3o2uo2t2nBovo3O20MOAn15dAo4O2nO63oOn7vtn6M2n2tn4O2dA\
        O3t2OoENvOnO1En1BN2O59nBONEdAO21n9M2to3MN2nu2O16n4Mn9Mn3Mn5N2oFNO19n3N2oNOBN5O18kO6Nv2N5n9O29Mn18vn20mO36nmnOm3n8m4nm2On7OAn2o2dAoMOFnm2N\
        O8N2O2N2O16NO7NON3O4N2nOm3n4N2m2N2m2nON8mN4O2NO3n2N2dAO2u2r6tuOonN2n2mNO6N4O2N2O16NO7NO2NO2NO2N2nNm3n2N4n2N2n3N3nN7O4NON7dAn2O3noNAn2mNO9\
        NO3NO16NO7NO2NO5N2nOm3n5Nn2mNm2nN2ONFO2n2N2dAouN7On6Nnm2NO8N2O2N2O16NO7NO2NO5N2nOmnmn4N2m2N2m2nN7n2mN4O2NO3n2N2dAtOr6NAnONO6N3O3NO4N3O2NO\
        NO2N3O2N3O3N3OCN4m2nm2N3m3Nm3nN2ON6mNEdAr3t6utN5nm3nO8NO3NO17NO10N2nOn3m4Nn3Nn4N7n2NO3N2ON2O2n2N2dAN7or7tOnm2oO8NO3NO17NOANO5N2nOmnm5Nnm2\
        Nm2n2N7m2N6O2NO2n2N2dANO2mNCn2m2O9NO3NO29n2Om3n4Nm3Nm3nOtN4O3mr7O3n2N2dAr9tO6Nnm2NO12N3O18NO9NON2O7N3nN4m3n3NnNm8N6dAN2m2oNCO30nO2n7N4uO6\
        Mn8odAo2N25O2NONO5NO18NONOAnO2n9ON2O5NMNn7NdAN2O4N20Ot3oFtot3n2t6dArAtntntnsesem2O8NO24N4nEmn5on2O5nBNn24Nt8nt6Nt2o5t4o2N25O2Bm2n4mn6mn2m\
        2n2OdAo6O6m2n2O4n3Om3O2m7O3n4ODnm2n2m6nOmdAm3nt2U26NUN5UN2L2BoML3O149NO4N2O7NONO4N2O29NO4N2O21NO4N2O7NONO4N2OFNO39NO4N2O43N2n3o9r14N3O10t\
        AN6U56N2L6N2pO26CtoO11zO1AseN3O4Bo3l3O8N7O12n3mN9O13n2mo2N9O12n2NCODNO3Nn2NCO34n2mn7m8nm2nBo3Mo3uOnN2dAN6rAN6o6po4n3vndAN6O23MO35N7O5n2O2\
        2nON5O46NAO1FNn3m4n2m3N4m2nm6n3N4tN3o2dAO1EN2O5NBO2CN4O1AN6dArN3t22O17n2m2nN2o2O35mnmn7Nnmnm2n8m6nAN2ndAN6dAN6o7Mo6N2nEhn10N31n4mO2Fnmn5m\
        nm5nm2O8No2dAo7tAn9t9o3n2mO1Emn4m2n2mn3O2dAO2Cnmn2m3nmn3m2N8o4O24m8n8m2n2N3o5dAN3O3dAO1EM6o2L9ULN5U2BN2U3o8N8n3onDmn7O4nO6nO2mn2ON5L2CM3F\
        LDML22M25n40ULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULU\
        LULULULULULULULULULULULUL9ULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULULUL9U8L6N2U6N2L8\
        U8L8U8L6N2U6N2L8NUNUNUNUL8U8LEN2L8T8L8T8L8T8L5NL2U4TkLk3L3NL2U4Tk3L4N2L2U4Nk3L8U5k3N2L3NL2U4Tk2NzBv5p6o2ifsi2fsio8qxv5zo9ifo4c2o3yseoByoc\
        oAzv5NvArMN2r6y3seMrAy3seNMDN3u21NFnDh4nh3nCNFt2Ut4Ut2LU3L2U3LtUt2yU5t6UtUtUtU4tLU4LO4Lt2L2U2y5UL4tyt2Ltr10l23ULl4rt2N4y5t5y2t4yt2yt2yt7y\
        t1Fy2t2ytyt1Fy10Ct8seset14y2t7set51yt1Ey19t28y6t48N16tBN15r3Ct4Er16tB7yt9yt36y8t6FytF8seseseseseseser1Et2Cy5sey1Fsesesesesey10t100y83sese\
        sesesesesesesesesey3Fsesey20sey102t30y15t2y6t27N2t20Nt69U30L30ULU3L2ULULULU4LUL2UL6M2U3LULULULULULULULULULULULULULULULULULULULULULULULULU\
        LULULULULULULULULULULULULULULULULULULULULULULULUL2t6ULULn3ULN5o4ro2L26NLN5LN2O38N7MoNEnO17N9O7NO7NO7NO7NO7NO7NO7NO7Nn20o2ififo3ifoifo9po2\
        poifo2ifseseseseo5MoAp2o4posoDt2o3sesesesepN22t1ANt59NCtD6N1At10zo3tMOlseseseseset2sesesesepse2tl9n4m2pM5t2l3MOot2NO56N2n2k2M2OpO5AoM3ON5\
        O2BNO5ENt2r4tAO20t26N9tO10t1FNrAt1Er8trFt20rAt27rFt140O19C0t40O5215MO477N3t37N9O28M6o2O10CMo3O10dAO2N14ULULULULULULULULULULULULULULULULUL\
        ULULULULULULOnh3onAoMULULULULULULULULULULULULULULM2n2O46lAn2o6N8k17M9k2ULULULULULULUL3ULULULULULULULULULULULULULULULULULULULULULULULULULU\
        LULULULULULML8ULULU2LULULULULMk2ULULOULUL3ULULULULULULULULULULU5LU5LULULULULULULULU4LULU2LN2ULNLNLULULULUN15M3ULOM2LO7nO3nO4nO17m2n2mt4nN\
        3r6t2utN6O34o4N8m2O32m10n2N8o2dAN6n12O6o3OoO2ndAO1Cn8o2O17nBm2NBoO1DN3n3mO2Fnm2n4m2n2m3oDNMdAN4o2O5nMO9dAO5NO29n6m2n2m2n2N9O3nO8nmN2dAN2o\
        4O10MO6t3OmnmO32nOn3O2n2O5n2OnON18O2Mo2OBmn2m2o2OM2mnNAO6N2O6N2O6N9O7NO7NL2BkM4L9Mk2N4L50O23m2nm2nm2omnN2dAN6O2BA4NCO17N4O31N4g800w1900O1\
        6EN2O6AN26L7NCL5N5OnOAyODNO5NONO2NO2NO6Ck11N10O16Best10O40N2O36N7tN20OCut3n10o7seoN6n10op2c2seseseseseseseseo2seo4c3o3No4pseseseo3ypy3Nou\
        o2N4O5NO87N2vNo3uo3seoyopo2dAo2y3o2U1AsoekckL1Asyeyseoseo2OAMO2DM2O1FN3O6N2O6N2O6N2O3N3u2yktu2Nty4t2NAv3t2N2OCNO1ANO13NO2NOFN2OEN22O7BN5o\
        3N4r2DN3t9l35r4t11r2t3NtDN3tN2Ft2DnN82O1DN3O31NFnr1BN4O20r4N9O14lO8lN5O26n5N5O1ENoO24N4O8ol5N2AU28L28O4EN2dAN6U24N4L24N4O28N8O34NBoUBNUFN\
        U7NU2NLBNLFNL7NL2N3O34NCO137N9O16NAO8N18M6NM2ANM9N45O6N2ONO2CNO2N3ON2O17Nor8O17t2r7O1FN8r9N30O13NO2N5r5O16r6N3oO1AN5oN40O38N4r2O2r10N2r2E\
        On3Nn2N5n4O4NO3NO1DN2n3N4nr9N7o9N7O1Dr2oO1Dr3N20O8tO1Cn2N4r5o7N9O36N3o7O16N2r8O13N5r8O12N7o4NCr7N50O49N37U33NDL33N7r6O24n4N8dAN6dAO4MOU16\
        N3n5pML16N8y2ND0r1FNO2ANn2pN2O2N10O3N37n4O1DrAON8O16nBr4o5N16O12n4o4N26O15r7N14O17N9mnmO35nFo7N4r14dAnO2n2ON9n3mO2Dm3n4m2n2o2vo4nNAvN2O19\
        N7dAN6n3O24n5mn8NdAo4Om2ON8O23no2ON9n2mO30m3n9m2O4o4n4omndAOoOo3Nr14NBO12NO19m3n3m2nmn2o6nO2nN3EO7NONO4NOFNOAoN6O2Fnm3n8N5dAN6n2m2NO8N2O2\
        N2O16NO7NO2NO5Nn2Om2nm4N2m2N2m3N2ON6mN5O5m2N2n7N3n5NBOANON2ONO26NOm3n6NmN2mNm4Nm2nmnOnOo2No2N8n2N1DO35m3n8m2n3mnO4o5dAo2NonO3N1EO30m3n6mn\
        m4n2mn2O2oON8dANA6O2Fm3n4N2m4n2mn2o17O4n2N22O30m3n8m2nmn2o3ONBdAN6oDN13O2Bnmnm2n6mnOoN6dAN6d14N1CO1BN2nmnm2n4mn5N4dAr2o3tO7NB9O2Cm3n9mn2o\
        N64U20L20dAr9NCO8N2ON2O8NO2NO18m6Nm2N2n2mnOmOmno3N9dAN46O8N2O27m3n4N2n2m4nOoOmN1BOnAO28n6mOn4o8nN8On6m2n3O2EnDmn2o3Oo5NDO49N7oANB6O21oNEd\
        AN6O9NO25mn7Nn6mnOo5NAdAr13N3o2O1EN2n16Nmn7mn2mn2N49O7NO2NO26n6N3nNn2Nn7OnN8dAN6O6NO2NO20m5Nn2Nm2nmnON7dAN136O13n2m2o2N7n2OmODNO22m2n5N3m\
        2nmnoDdAnN55ONFr15t8u4t11NDoO39AN66l6FNo5NBOC4NA4CO61o2NDO430v10nO6nFNAOF9BN5O247N1AB9O1EnCm3n3dAN6C6O239N7O1FNdAN4o2O4FNdAN6O1EN2n5oNAO3\
        0n7o5t4M4otNAdANr7NO15N5O13N1B0M3O28M2o3dANC6U20L20r17o4N65O4BN4nOm37N7n4MDN40M2oMnNBm2NEO17F8N8O4D6N29OAN22E7M4NM7NM2NO123NFON1DO3N2ONEO\
        4N8O18CN904O6BN5ODN3O9N7OAN2tn2ov4NF5CtF0dAN6t1B4N4Cn2EN2n17N9t74N3CtF6NAt27N2t3Cm2n3t3m6v8n8t2n7t1En4t3DN15t42n3tN7Ar14NCr14NCt57N9r19N8\
        7U1AL1AU1AL7NL12U1AL1AUNU2N2UN2U2N2U4NU8L4NLNL7NLBU1AL1AU2NU4N2U8NU7NL1AU2NU4NU5NUN3U7NL1AU1AL1AU1AL1AU1AL1AU1AL1AU1AL1AU1AL1CN2U19yL19yL\
        6U19yL19yL6U19yL19yL6U19yL19yL6U19yL19yL6ULN2d32t200n37t4n32t8ntEnt2o5NFn5NnFN450LAOL14N6L6ND5n7Nn11N2n7Nn2Nn5N5M3EN21nN70O2DN3n7M7N2dAN4\
        OtN140O1EnN11O2Cn4dAN5uN1D0O1BMn4dAND6O1En2OdAN4oN1E0O7NO4NO2NOFNOC5N2r9n7N29U22L22n7MN4dAN4o2N311r3Btr3ur4N4Cr2DtrFNC2O4NO1BNO2NON2ONOAN\
        O4NONON6ON4ONONONO3NO2NON2ONONONONONO2NON2O4NO7NO4NO4NONOANO11N5O3NO5NO11N34y2N10Et2CN4t64NCtFN2tFNtFNt25NArDtA1N38t1DNDt2CN4t9N7t2NEt6N9\
        AtFBk5t2D8N4t11N3tDN3t77N4t5FN6tCN4tNFtCN4t38N8tAN6t28N8t1EN2tCN4t2N3Et154NCtEN2tDN3tAN5t38N7tFN2tBN6t9N7t93Nt5CdAN406OA6E0N20O103AN6ODEN\
        2O1682NEO1D31NFO26EN9A2O21EN5E2O134BN5O1060NADC51vN1Ev60N80nF0NFE10wFFFEN2wFFFEN2
        """

    /// Sets by name: general categories, and where the set differs from them: how many characters do not, how many do, and so on, in hexadecimal.
    static let sets: [(name: String, categories: String, differences: String)] = [
        (
            "White_Space", "",
            """
            9 5 12 1 64 1 1A 1 15DF 1 97F B 1D 2 5 1 2F 1 FA0 1
            """
        ),
        (
            "Alphabetic", "Lu Ll Lt Lm Lo Nl",
            """
            345 1 1D D 240 E 1 1 1 2 1 2 1 1 48 B 30 D 1 7 10 1 65 7 4 4 2 2 4 1 23 1 1E 10 66 B 65 2 3 9 1 3 1 4 6A 1 3C C 3 7 6 14 36 2 2 F 1 \
            2 5 3 A 2 1D 3 3A 7 2 2 2 2 A 1 A 2 1D 3 3A 5 4 2 2 2 4 1 1E 2 3 1 B 3 3A 8 1 3 1 2 15 2 16 3 4 3 3A 7 2 2 2 2 9 2 A 2 1E 1 3B 5 3 3 \
            1 3 A 1 28 5 39 7 1 3 1 3 8 2 B 2 1D 3 3A 7 1 3 1 3 8 2 B 2 F 1 C 4 3A 7 1 3 1 3 A 1 A 2 1D 3 4B 6 1 1 1 8 12 2 3D 1 2 7 12 1 63 1 2 \
            6 1 2 10 1 A3 13 9 B 1 24 6E C 1 1 2 4 17 4 4 3 1 3 2 7 3 4 D C 1 1 A 4 674 2 1E 2 1E 2 1E 2 42 13 BC 2 22 1 76 C 4 9 DE 5 39 A 2 14 \
            4A 2 B 3 31 5 30 F 3C 3 1E 9 2 2 39 B 32 13 19C 22 6C1 34 8F6 20 7874 8 22 2 162 1 8 1 17 5 58 2 32 10 1 1 39 1 26 5 1C C 2D 4 30 C \
            25 1 43 E C 1 8 2 2D 3 32 1 1 3 2 2 5 1 2C 5 5 1 ED 8 4F33 1 857 5 686 3 1 2 5 4 314 4 41 1 141 2 4F 1 103 3 35 E 2D 2 B 3 2D 9 9 1 \
            3D 3 24 C 12 2 39 3 30 D E 2 5C 9 2 1 6 1 2 1 9D A 17 4 3A 7 2 2 2 2 A 1 A 2 54 9 1 1 2 1 1 4 1 2 67 D 1 3 6A 12 ED 7 2 7 1D 2 52 F \
            1 1 6A B 67 E 101 D F7 6 1 2 2 2 3 1 1 1 8E 7 2 6 4 1 1C A 2A 5 1 4 12 B 2E E 197 8 1 7 53 16 1 E 7A 6 3 1 1 2 1 3 1 1 3 1 42 5 1 2 \
            1 4 15C 4 9 2 1 1 30 7 3 3 41DD 11 E20 1 1 37 7 4 5D 2 4CAC 1 2361 7 1 11 2 7 1 2 1 5 64 1 8B7 1 7E8 1A 6 1A 6 1A
            """
        ),
        (
            "Uppercase", "Lu",
            """
            2160 10 346 1A 1CC60 1A 6 1A 6 1A
            """
        ),
        (
            "Lowercase", "Ll",
            """
            AA 1 F 1 1F5 9 7 2 1E 5 60 1 34 1 D81 1 C2F 3F D 1 22 25 2B1 1 D 1 10 D D3 10 350 1A 792 2 7A1E 2 D2 1 81 3 3 2 362 4 9 1 5C16 1 2 3 \
            1 2A 1 9 D875 3E
            """
        ),
        (
            "Ideographic", "",
            """
            3006 2 19 9 E 3 3C5 19C0 40 5200 5900 16E 2 6A 750A 1 1B 17F8 8 4D6 29 A 2467 18C 4D04 A6E0 20 103A 6 DE 2 1682 E 1D31 F 26E 9A2 21E \
            5E2 134B 5 1060
            """
        ),
        (
            "Emoji", "",
            """
            23 1 6 1 5 A 6F 1 4 1 1F8D 1 C 1 D8 1 16 1 5A 6 F 2 16F 2 C 1 A6 1 19 B 4 3 C7 1 E7 2 A 1 9 1 3A 4 1 5 9 1 2 1 2 2 2 1 4 1 2 1 1 2 2 \
            1 3 1 3 2 8 3 5 1 1 1 5 C B 2 2 1 1 2 1 1 12 1 2 2 12 6 1 1 1 2 3 2 5 1 2 2 4 2 B 2 5 2 2 1 5 2 1 1 1 2 14 2 5 6 1 4 2 1 4 1 2 1 2 6 \
            1 1 2 1 1 1 1 1 6 1 3 1 6 1 A 2 F 1 2 1 4 1 1 1 4 3 1 1 B 2 30 3 9 1 E 1 E 1 174 2 1CF 3 13 2 33 1 4 1 4DA 1 C 1 259 1 1 1 1BD6A 1 \
            CA 1 A0 2 C 2 E 1 2 A 4B 1A 1 2 17 1 14 1 2 9 15 2 AE 22 2 70 2 2 1 3 2 53 2 3 1 107 1 3F B 6 1 18 7 2 2 8 C 1 2 4 2 1 4 2 D 2 2 1 8 \
            2 9 1 5 3 C 3 8 3 2 1 1 1 4 1 6 1 3 1 6 56 30 46 5 8 2 3 4 A 3 1 1 2 3 1 2 A E3 C 4 1 11B 2F 1 A 1 B9 70 D 3 A 5 38 7 F 2 B 6 9
            """
        ),
        (
            "Emoji_Presentation", "",
            """
            231A 2 CD 4 3 1 2 1 209 2 15 2 32 C 2B 1 13 1 D 1 8 2 11 2 5 2 8 1 5 1 15 1 7 2 1 1 4 1 2 1 7 1 4 2 1C 1 23 1 1 1 4 3 1 1 3D 3 18 1 \
            E 1 35B 2 33 1 4 1 1C4AE 1 CA 1 BE 1 2 A 4B 1A 1 1 18 1 14 1 2 5 1 3 15 2 AE 21 C 9 1 46 1 16 C 2B 4 5 C 11 3 1 3 47 1 1 1 BB 2 3F D \
            4 1 18 12 1 1A 2 D 1 56 55 30 46 6 1 3 3 2 3 4 4 B 2 7 9 E3 C 4 1 11B 2F 1 A 1 B9 70 D 3 A 5 38 7 F 2 B 6 9
            """
        ),
        (
            "Emoji_Modifier", "",
            """
            1F3FB 5
            """
        ),
        (
            "Extended_Pictographic", "",
            """
            A9 1 4 1 1F8D 1 C 1 D8 1 16 1 5A 6 F 2 16F 2 C 1 5F 1 46 1 19 B 4 3 C7 1 E7 2 A 1 9 1 3A 4 1 6 1 C 1 72 A 76 2 B 1 1 1 1 6 1 3 1 6 1 \
            A 2 F 1 2 1 4 1 1 1 4 3 1 1 B 5 2D 3 9 1 E 1 E 1 174 2 1CF 3 13 2 33 1 4 1 4DA 1 C 1 259 1 1 1 1BD66 100 D 3 1F 1 3C 6 C 2 E 1 2 A \
            12 39 1B F A 1 14 1 2 9 1 4 9 1B2 5 13E 8 10A 30 80 74 C 55 2B C 4 38 8 A 6 28 8 1E 52 C 2F 1 A 1 1B9 100 3FE
            """
        ),
        (
            "Arabic", "",
            """
            600 5 1 6 1 E 1 3 1 20 1 A B 1A 1 6C 1 22 50 30 F0 1F 1 2 5 4B 1 1D F250 73 10 16B 2 50 2 36 7 1 20 10 70 5 1 87 F63 1F 43 3 37 4 \
            DF00 4 1 1B 1 2 1 1 2 1 1 A 1 4 1 1 1 1 6 1 4 1 1 1 1 1 1 3 1 2 1 1 2 1 1 1 1 1 1 1 1 1 1 2 1 1 2 4 1 7 1 4 1 4 1 1 1 A 1 11 5 3 1 5 \
            1 11 34 2
            """
        ),
        (
            "Armenian", "",
            """
            531 26 2 32 2 3 F583 5
            """
        ),
        (
            "Bengali", "",
            """
            980 4 1 8 2 2 2 16 1 7 1 1 3 4 2 9 2 2 2 4 8 1 4 2 1 5 2 19
            """
        ),
        (
            "Bopomofo", "",
            """
            2EA 2 2E19 2B 70 20
            """
        ),
        (
            "Braille", "",
            """
            2800 100
            """
        ),
        (
            "Canadian_Aboriginal", "",
            """
            1400 280 230 46 101BA 10
            """
        ),
        (
            "Cherokee", "",
            """
            13A0 56 2 6 9772 50
            """
        ),
        (
            "Common", "",
            """
            0 41 1A 6 1A 2F 1 F 1 5 17 1 1F 1 1C1 27 5 5 2 14 74 1 9 1 6 1 1 1 27D 1 6 1 E 1 3 1 20 1 9C 1 204 1 81 2 4D9 1 195 4 122 1 5EF 3 47 \
            2 CB 2 1 1 4CD 1 D 1 7 4 1 6 1 3 2 1 305 C 2 57 1 B 3 B 1 F 11 21 3F 26 1 3 2 6 1 1B 1 11 29 3 4 29A 16 B 15 3A0 100 274 2 20 1 69 \
            200 5E 192 15 1 1 1 19 F 8 4 4 5B 2 3 1 5A 2 93 10 20 26 9 1 30 40 1F 51 2F 1 58 A8 19C0 40 5900 22 66 3 A5 A F4 1 A0 1 18B 1 E 2 \
            51D2 2 D0 A 16 23 1 13 1 4 93 1 1 20 1A 6 1A B A 1 2D 2 40 7 1 7 A 5 102 3 4 2D 3 9 50 D 33 2D E4 1B B9A4 4 F5C FA 6 1B4 9C 74 3C F6 \
            A 27 2 3E 3 11 8 2 7 1E 4 3D D5 14 C 14 C 57 9 19 87 55 1 47 1 2 2 1 2 2 2 4 1 C 1 1 1 7 1 41 1 4 2 8 1 7 1 1C 1 4 1 5 1 1 3 7 1 154 \
            2 124 2 32 1471 44 4C 3D 2C2 2C 4 64 C F 2 F 1 F 1 25 A AE 38 1A 1 2 D 2C 4 9 7 2 E 6 9A 3D8 4 11 3 D 3 77 4 5F 6 C 4 1 F C 4 38 8 A \
            6 28 8 1E 2 C 4 2 3E 154 C E 2 D 3 A 5 38 7 F 2 B 6 9 7 93 1 66 C0407 1 1E 60
            """
        ),
        (
            "Coptic", "",
            """
            3E2 E 2890 74 5 7
            """
        ),
        (
            "Cyrillic", "",
            """
            400 85 2 A9 1750 B A0 1 4C 1 1067 20 7840 60 578E 2 E200 3E 21 1
            """
        ),
        (
            "Devanagari", "",
            """
            900 51 4 F 2 1A 9F60 20 7200 A
            """
        ),
        (
            "Ethiopic", "",
            """
            1200 49 1 4 2 7 1 1 1 4 2 29 1 4 2 21 1 4 2 7 1 1 1 4 2 F 1 39 1 4 2 43 2 20 3 1A 19E6 17 9 7 1 7 1 7 1 7 1 7 1 7 1 7 1 7 7D22 6 2 6 \
            2 6 9 7 1 7 13CB1 7 1 4 1 2 1 F
            """
        ),
        (
            "Georgian", "",
            """
            10A0 26 1 1 5 1 2 2B 1 4 B90 2B 2 3 1040 26 1 1 5 1
            """
        ),
        (
            "Greek", "",
            """
            370 4 1 3 2 4 1 1 4 1 1 1 1 3 1 1 1 14 1 3F E 10 1926 5 32 5 4 5 54 1 140 16 2 6 2 26 2 6 2 8 1 1 1 1 1 1 1 1F 2 35 1 F 1 E 2 6 1 13 \
            2 3 1 9 127 1 8A3E 1 55DA 4F 11 1 D05F 46
            """
        ),
        (
            "Gujarati", "",
            """
            A81 3 1 9 1 3 1 16 1 7 1 2 1 5 2 A 1 3 1 3 2 1 F 4 2 C 7 7
            """
        ),
        (
            "Gurmukhi", "",
            """
            A01 3 1 6 4 2 2 16 1 7 1 2 1 2 1 2 2 1 1 5 4 2 2 3 3 1 7 4 1 1 7 11
            """
        ),
        (
            "Han", "",
            """
            2E80 1A 1 59 C D6 2F 1 1 1 19 9 E 4 3C4 19C0 40 5200 5900 16E 2 6A 7508 2 C 2 900E A6E0 20 103A 6 DE 2 1682 E 1D31 F 26E 9A2 21E 5E2 \
            134B 5 1060
            """
        ),
        (
            "Hangul", "",
            """
            1100 100 1E2E 2 101 5E 71 1F 41 1F 76E1 1D 283 2BA4 C 17 4 31 27A4 1F 3 6 2 6 2 6 2 3
            """
        ),
        (
            "Hebrew", "",
            """
            591 37 8 1B 4 6 F528 1A 1 5 1 1 1 2 1 2 1 A
            """
        ),
        (
            "Hiragana", "",
            """
            3041 56 6 3 17F61 11F 12 1 1D 3 40AD 1
            """
        ),
        (
            "Inherited", "",
            """
            300 70 115 2 1C4 B 1A 1 2E0 4 115B 1F 201 3 1 D 1 7 4 1 6 1 3 2 C6 40 20C 2 C2 21 F39 4 6B 2 CD65 10 10 E 3CF 1 E2 1 105A 1 BBC4 2E \
            2 17 220 3 11 8 2 7 1E 4 C2F52 F0
            """
        ),
        (
            "Kannada", "",
            """
            C80 D 1 3 1 17 1 A 1 5 2 9 1 3 1 4 7 2 6 2 1 4 2 A 1 3
            """
        ),
        (
            "Katakana", "",
            """
            30A1 5A 2 3 F0 10 D0 2F 1 58 CC0E A 1 2D B052 4 1 7 1 2 1 1 11F 3 32 1 E 4
            """
        ),
        (
            "Khmer", "",
            """
            1780 5E 2 A 6 A 1E6 20
            """
        ),
        (
            "Lao", "",
            """
            E81 2 1 1 1 5 1 18 1 1 1 17 2 5 1 1 1 7 1 A 2 4
            """
        ),
        (
            "Latin", "",
            """
            41 1A 6 1A 2F 1 F 1 5 17 1 1F 1 1C1 27 5 1A1B 26 6 31 5 4 5 D 1 46 41 100 171 1 D 1 10 D 8D 2 6 1 1B 1 11 29 AD7 20 7AA2 66 3 43 2 2 \
            1 1 1 8 15 E 330 2B 1 9 1 4 4F96 7 41A 1A 6 1A 825 6 1 2A 1 9 D745 1F 6 6
            """
        ),
        (
            "Malayalam", "",
            """
            D00 D 1 3 1 33 1 3 1 6 4 10 2 1A
            """
        ),
        (
            "Mongolian", "",
            """
            1800 2 2 1 1 14 6 59 7 2B FDB5 D
            """
        ),
        (
            "Myanmar", "",
            """
            1000 A0 9940 1F 61 20 6C50 14
            """
        ),
        (
            "Oriya", "",
            """
            B01 3 1 8 2 2 2 16 1 7 1 2 1 5 2 9 2 2 2 3 7 3 4 2 1 5 2 12
            """
        ),
        (
            "Sinhala", "",
            """
            D81 3 1 12 3 18 1 9 1 1 2 7 3 1 4 6 1 1 1 8 6 A 2 3 103EC 14
            """
        ),
        (
            "Syriac", "",
            """
            700 E 1 3C 2 3 110 B
            """
        ),
        (
            "Tamil", "",
            """
            B82 2 1 6 3 3 1 4 3 2 1 1 1 2 3 2 3 3 3 C 4 5 3 3 1 4 2 1 6 1 E 15 113C5 32 D 1
            """
        ),
        (
            "Telugu", "",
            """
            C00 D 1 3 1 17 1 10 2 9 1 3 1 4 7 2 1 3 2 1 2 4 2 A 7 9
            """
        ),
        (
            "Thaana", "",
            """
            780 32
            """
        ),
        (
            "Thai", "",
            """
            E01 3A 5 1C
            """
        ),
        (
            "Tibetan", "",
            """
            F00 48 1 24 4 27 1 24 1 F 1 7 4 2
            """
        ),
        (
            "Tifinagh", "",
            """
            2D30 38 7 2 E 1
            """
        ),
        (
            "Yi", "",
            """
            A000 48D 3 37
            """
        ),
        (
            "word", "Lu Ll Lt Lm Lo Mn Mc Me Nd Pc",
            """
            B2 2 5 1 2 3 162F 3 A6F 23 2 4 32D 34 B1D 1 19 9 E 3 76AB A 5A50 35 1CC 1 8 1 86 5 202A 6F CCC1 1A 6 1A 6 1A
            """
        ),
        (
            "word in brackets", "Lu Ll Lt Lm Lo Mn Mc Me Nd Pc",
            """
            16EE 3 A6F 23 2 4 32D 34 B1D 1 19 9 E 3 76AB A 5A50 35 1CC 1 8 1 86 5 202A 6F CCC1 1A 6 1A 6 1A
            """
        ),
        (
            "posix punct", "Pc Pd Ps Pe Pi Pf Po",
            """
            24 1 6 1 10 3 1F 1 1 1 1B 1 1 1 23 5 1 2 2 1 1 4 2 1 3 1 1E 1 1F 1 1CA 4 C E 5 7 1 1 1 11 75 1 E 2 70 1 8B 1 10A 3 76 3 2 1 2 2 CE 1 \
            A 1 13 2 F7 1 7 2 88 1 169 2 6 2 F5 1 7E 1 82 8 84 1 CF 1 29 1 C5 1 C1 3 F 1 1 3 2 6 14 1 1 1 1 1 85 8 1 6 1 2 5 4 C5 2 2F0 A 2D3 1 \
            16D 1 164 1 9D 22 161 A 9 9 440 1 1 3 B 3 D 3 D 3 D 2 45 1 D 1 27 3 D 3 13 21 3F 2 1 4 1 2 A 1 1 3 5 6 1 1 1 1 1 1 4 1 B 2 4 5 5 4 1 \
            1 3A 2 4 178 4 1D 2 FF 16 B 51 4E 16 268 2C 31 2 1F A 193 16 3F 4 20 2 176 2 20 1 69 E5 6 165 2 2E 1A 1 59 C D6 1A 10 4 1 D 2 C 1 15 \
            2 6 2 5B 2 F3 2 4 A 20 26 9 1 10 1F B 1E 8 1 F 20 A 27 F 140 19C0 40 5690 37 239 17 9 2 67 2 9D 4 A 4 23D 3 E1 1 E 2 4FBD 1 88 11 \
            17D 10 7F 1 2C 4 62 1 1 3 2 1 9A 1 6 1 10 3 1F 1 1 1 1B 1 1 1 81 7 1 7 D 2 139 9 39 11 2 3 1 D 3 1 2F 2D 67A 2 24F 1 2C5 2 9AF 1 895 \
            1D 4B4A 4 5 1 5156 1 F63 F0 10 1B4 9C 74 3C F6 A 27 2 3C 5 3 16 2 7 1E 4 3D 15 42 3 1 BA 57 36A 1 19 1 1F 1 19 1 1F 1 19 1 1F 1 19 1 \
            1F 1 19 1 3C 200 37 4 32 8 1 E 1 2 6C8 1 1AF 1 9AC 1 3 1 7D 1 1C1 2 10E 2C 4 64 C F 2 F 1 F 1 25 17 A1 38 1D D 2C 4 9 7 2 E 6 9A 3D8 \
            4 11 3 D 3 77 4 5F 6 C 4 1 F C 4 38 8 A 6 28 8 1E 2 C 4 2 3E 154 C E 2 D 3 A 5 38 7 F 2 B 6 9 7 93 1 5C
            """
        ),
        (
            "Rust word", "Lu Ll Lt Lm Lo Mn Mc Me Nd Pc",
            """
            16EE 3 91B 2 152 23 2 4 32D 34 B1D 1 19 9 E 3 76AB A 5A50 35 1CC 1 8 1 86 5 202A 6F CCC1 1A 6 1A 6 1A
            """
        ),
        (
            "Rust numeric", "Nd Nl No",
            """
            11DE0 A 520A 3
            """
        ),
        (
            "Rust punctuation", "Pc Pd Ps Pe Pi Pf Po",
            """
            24 1 6 1 10 3 1F 1 1 1 1B 1 1 1 59E 1 3DF 1 78 1 200 1 C 1 9E8 1 4E0 2 2D 3 12C3 D 2 C DF10 1 13E 1 A7 5 2C 4 23F 1 20A 2 1 2 72 5 A \
            2 1 1 202 D 4C 1 181 1 108 3 9B 1 5C 8 53 3 1 5 5D A D7 1 5F 5 2A 2 285 2 4A D AF 1 FF1 2 3D7A 3 127 4 147 1 761C 1 35E 2
            """
        ),
    ]

    /// Pairs that are equal but for case: the first character, how many pairs follow, from one to the next, and from each to its partner.
    static let caseRuns = """
        41.B.1.20 4B.1.1.20DF 4C.8.1.20 53.1.1.12C 54.7.1.20 6B.1.1.20BF 73.1.1.10C B5.1.1.2E7 B5.1.1.307 C0.6.1.20 C5.1.1.2066 C6.11.1.20 \
        D8.7.1.20 DF.1.1.1DBF E5.1.1.2046 FF.1.1.79 100.18.2.1 132.3.2.1 139.8.2.1 14A.17.2.1 179.3.2.1 180.1.1.C3 181.1.1.D2 182.2.2.1 \
        186.1.1.CE 187.1.1.1 189.2.1.CD 18B.1.1.1 18E.1.1.4F 18F.1.1.CA 190.1.1.CB 191.1.1.1 193.1.1.CD 194.1.1.CF 195.1.1.61 196.1.1.D3 \
        197.1.1.D1 198.1.1.1 19A.1.1.A3 19B.1.1.A641 19C.1.1.D3 19D.1.1.D5 19E.1.1.82 19F.1.1.D6 1A0.3.2.1 1A6.1.1.DA 1A7.1.1.1 1A9.1.1.DA \
        1AC.1.1.1 1AE.1.1.DA 1AF.1.1.1 1B1.2.1.D9 1B3.2.2.1 1B7.1.1.DB 1B8.1.1.1 1BC.1.1.1 1BF.1.1.38 1C4.1.1.1 1C4.1.1.2 1C5.2.2.1 1C7.1.1.2 \
        1C8.2.2.1 1CA.1.1.2 1CB.9.2.1 1DE.9.2.1 1F1.1.1.1 1F1.1.1.2 1F2.2.2.1 1F8.14.2.1 222.9.2.1 23A.1.1.2A2B 23B.1.1.1 23E.1.1.2A28 \
        23F.2.1.2A3F 241.1.1.1 244.1.1.45 245.1.1.47 246.5.2.1 250.1.1.2A1F 251.1.1.2A1C 252.1.1.2A1E 25C.1.1.A54F 261.1.1.A54B 264.1.1.A567 \
        265.1.1.A528 266.1.1.A544 26A.1.1.A544 26B.1.1.29F7 26C.1.1.A541 271.1.1.29FD 27D.1.1.29E7 282.1.1.A543 287.1.1.A52A 29D.1.1.A515 \
        29E.1.1.A512 345.1.1.54 345.1.1.74 345.1.1.1C79 370.2.2.1 376.1.1.1 37B.3.1.82 37F.1.1.74 386.1.1.26 388.3.1.25 38C.1.1.40 38E.2.1.3F \
        390.1.1.1C43 391.2.1.20 392.1.1.3E 393.3.1.20 395.1.1.60 396.3.1.20 398.1.1.39 398.1.1.5C 399.1.1.20 399.1.1.1C25 39A.1.1.20 39A.1.1.56 \
        39B.6.1.20 3A0.1.1.36 3A1.1.1.20 3A1.1.1.50 3A3.1.1.1F 3A3.4.1.20 3A6.1.1.2F 3A7.3.1.20 3A9.1.1.1D7D 3AA.2.1.20 3B0.1.1.1C33 3B2.1.1.1E \
        3B5.1.1.40 3B8.1.1.19 3B8.1.1.3C 3B9.1.1.1C05 3BA.1.1.36 3C0.1.1.16 3C1.1.1.30 3C2.1.1.1 3C6.1.1.F 3C9.1.1.1D5D 3CF.1.1.8 3D1.1.1.23 \
        3D8.C.2.1 3F2.1.1.7 3F7.1.1.1 3FA.1.1.1 400.10.1.50 410.3.1.20 412.1.1.186E 413.2.1.20 414.1.1.186D 415.A.1.20 41E.1.1.1864 41F.3.1.20 \
        421.1.1.1862 422.1.1.20 422.1.1.1862 422.1.1.1863 423.8.1.20 42A.1.1.185C 42B.5.1.20 432.1.1.184E 434.1.1.184D 43E.1.1.1844 441.2.1.1842 \
        442.1.1.1843 44A.1.1.183C 460.2.2.1 462.1.1.1825 463.1.1.1824 464.F.2.1 48A.1B.2.1 4C0.1.1.F 4C1.7.2.1 4D0.30.2.1 531.26.1.30 \
        10A0.26.1.1C60 10C7.1.1.1C60 10CD.1.1.1C60 10D0.2B.1.BC0 10FD.3.1.BC0 13A0.50.1.97D0 13F0.6.1.8 1C84.1.1.1 1C88.1.1.89C2 1C88.1.1.89C3 \
        1C89.1.1.1 1D79.1.1.8A04 1D7D.1.1.EE6 1D8E.1.1.8A38 1E00.31.2.1 1E60.1.1.3B 1E61.1.1.3A 1E62.1A.2.1 1EA0.30.2.1 1F00.8.1.8 1F10.6.1.8 \
        1F20.8.1.8 1F30.8.1.8 1F40.6.1.8 1F51.4.2.8 1F60.8.1.8 1F70.2.1.4A 1F72.4.1.56 1F76.2.1.64 1F78.2.1.80 1F7A.2.1.70 1F7C.2.1.7E \
        1F80.8.1.8 1F90.8.1.8 1FA0.8.1.8 1FB0.2.1.8 1FB3.1.1.9 1FC3.1.1.9 1FD0.2.1.8 1FE0.2.1.8 1FE5.1.1.7 1FF3.1.1.9 2132.1.1.1C 2160.10.1.10 \
        2183.1.1.1 24B6.1A.1.1A 2C00.30.1.30 2C60.1.1.1 2C67.3.2.1 2C72.1.1.1 2C75.1.1.1 2C80.32.2.1 2CEB.2.2.1 2CF2.1.1.1 A640.17.2.1 \
        A680.E.2.1 A722.7.2.1 A732.1F.2.1 A779.2.2.1 A77E.5.2.1 A78B.1.1.1 A790.2.2.1 A794.1.1.30 A796.A.2.1 A7B3.1.1.3A0 A7B4.8.2.1 A7C7.2.2.1 \
        A7CC.1.1.1 A7D0.1.1.1 A7D6.3.2.1 A7F5.1.1.1 FB05.1.1.1 FF21.1A.1.20 10400.28.1.28 104B0.24.1.28 10570.B.1.27 1057C.F.1.27 1058C.7.1.27 \
        10594.2.1.27 10C80.33.1.40 10D50.16.1.20 118A0.20.1.20 16E40.20.1.20 1E900.22.1.22
        """
}
