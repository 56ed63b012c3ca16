namespace Kedge.Fuzz.Certificates;

/// <summary>Pieces of DER that mean something in certificates.</summary>
internal static class DerWords
{
    public static IReadOnlyList<byte[]> All { get; } =
    [
        .. new[]
        {
            "0500", "0101FF", "010100", "3000", "3080", "0000", "30820000", "308100", "0201FF", "02020080", "0400", "030100", "03020780", "03020106", "020102",
            "06035504 03", "0603551D23", "0603551D0F", "0603551D11", "0603551D13", "0603551D14", "0603551D25", "06082B06010505070107", "06082A8648CE3D040302",
            "300A06082A8648CE3D040302", "04020001", "04020002", "0403000101", "8704", "8710", "0C00", "1300", "170D3439313233313233353935395A",
            "180F32303530303130313030303030305A", "180F39393939313233313233353935395A", "A0030201 02", "A1", "A3", "8000", "0D0A", "1B5B324A", "E280AE",
        }.Select(hex => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal))),
    ];
}
