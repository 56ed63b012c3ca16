using System.Formats.Asn1;

namespace Kedge.Protocol.Certificates;

/// <summary>Dates in certificates and revocation lists (RFC 5280 section 4.1.2.5): whole seconds of UTC, through 2049 with a year of two digits.</summary>
internal static class Dates
{
    private const int LastYearOfTwoDigits = 2049;

    /// <summary>What stands for "no end" (RFC 5280 section 4.1.2.5).</summary>
    public static readonly DateTimeOffset Never = new(9999, 12, 31, 23, 59, 59, TimeSpan.Zero);

    /// <summary>Whether the next value is a date.</summary>
    public static bool IsNext(AsnReader reader)
    {
        if (!reader.HasData)
            return false;
        Asn1Tag tag = reader.PeekTag();
        return tag == Asn1Tag.UtcTime || tag == Asn1Tag.GeneralizedTime;
    }

    /// <summary>Reads a date.</summary>
    /// <exception cref="AsnContentException">There is none.</exception>
    /// <exception cref="RefusedException">It is in another form than its year demands, or has fractions of a second.</exception>
    public static DateTimeOffset Read(AsnReader reader)
    {
        if (reader.PeekTag() == Asn1Tag.UtcTime)
            return reader.ReadUtcTime(LastYearOfTwoDigits);
        DateTimeOffset date = reader.ReadGeneralizedTime();
        return date.Year > LastYearOfTwoDigits && date.Ticks % TimeSpan.TicksPerSecond == 0
            ? date
            : throw new RefusedException(CertificateRefusal.BadDates);
    }

    /// <summary>Writes a date; what is below a second is left out.</summary>
    public static void Write(AsnWriter writer, DateTimeOffset date)
    {
        date = date.ToUniversalTime();
        if (date.Year <= LastYearOfTwoDigits)
            writer.WriteUtcTime(date, LastYearOfTwoDigits);
        else
            writer.WriteGeneralizedTime(date, omitFractionalSeconds: true);
    }
}
